// SPDX-License-Identifier: Apache-2.0

// Package hint carries what the reader of an error can do about it, beside the
// error. Any error of the chain may have a hint: the command line prints the
// outermost one on a line of its own, and what sends an error to another process
// sends it along.
package hint
