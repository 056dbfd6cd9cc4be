// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"context"
	"fmt"
	"io"
	"syscall"

	"coracle/pkg/overlay"
)

// Secret reads a secret, when it is asked for.
type Secret func(ctx context.Context) ([]byte, error)

// Runner runs a command on layers.
type Runner interface {
	// Run returns an *ExitError when the command failed.
	Run(ctx context.Context, s Step) error
}

// Step is a command to run.
type Step struct {
	Lowers         []string // directories of the layers below, topmost first
	Upper, Work    string   // where changes go
	Args, Env      []string
	Dir, User      string
	Network        string
	AddHosts       []string
	ShmSize        int64
	Mounts         []StepMount
	Stdout, Stderr io.Writer
	Maker          *overlay.Maker // is set to the user that the command begins as
}

// StepMount is a mount for one command.
type StepMount struct {
	Type     string // bind or tmpfs
	Source   string // on the host
	Target   string
	ReadOnly bool
	Size     int64 // of a tmpfs
}

// ExitError says that a command ran and failed.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit code: %d", e.Code) }

// Ended is the error of a command that ended: none when it did so with 0.
func Ended(st syscall.WaitStatus) error {
	switch {
	case st.Signaled():
		return &ExitError{Code: 128 + int(st.Signal())}
	case st.ExitStatus() != 0:
		return &ExitError{Code: st.ExitStatus()}
	}
	return nil
}
