// SPDX-License-Identifier: Apache-2.0

package box

import (
	"errors"

	"golang.org/x/sys/unix"

	"coracle/pkg/ns"
)

// The exit codes of a process whose program was not executed: a shell's (POSIX
// Shell Command Language, 2.8.2), and Docker's for what went wrong before.
const (
	NotStarted    = 125 // its box could not be set up
	NotExecutable = 126 // the program may not be run, or is none
	NotFound      = 127 // the program is not there
)

// ExitCode is the exit code that stands for an error of setting a process up or of
// its execve(2).
func ExitCode(err error) int {
	var exec *ns.ExecError
	switch {
	case !errors.As(err, &exec):
		return NotStarted
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return NotFound
	}
	return NotExecutable
}
