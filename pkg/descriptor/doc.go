// SPDX-License-Identifier: Apache-2.0

// Package descriptor works on the descriptor below an open file or connection
// and leaves it in the mode it is in. os.File.Fd does not: it makes the
// description blocking, for everybody who has it, and then deadlines and the
// runtime's poller are gone.
package descriptor
