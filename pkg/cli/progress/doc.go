// SPDX-License-Identifier: Apache-2.0

// Package progress shows how a transfer or a build gets on: line by line on a
// pipe, as a picture that is redrawn on a terminal.
package progress
