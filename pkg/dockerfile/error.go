// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"
	"errors"

	"coracle/pkg/dockerfile/exec"
	"coracle/pkg/dockerfile/parse"
	"coracle/pkg/hint"
)

// Error is a failed build. What it says is plain data; its cause is known only
// to the process that built.
type Error struct {
	Step     int    // 0 outside of any step
	StepName string // "[2/3] RUN false"
	Excerpt  string // the lines of the Dockerfile it is about, or empty
	Text     string // why
	Advice   string // what the user can do, or empty
	err      error
}

func newError(err error) *Error {
	return &Error{Text: parse.WithoutCredentials(err.Error()), Advice: hint.Of(err), err: err}
}

func (e *Error) Error() string { return e.Text }
func (e *Error) Unwrap() error { return e.err }

// Hint is what the user can do.
func (e *Error) Hint() string { return e.Advice }

// locate adds what the user needs to find the place.
func locate(ctx context.Context, file *parse.File, err error) error {
	e := newError(err)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return e // it is the user's doing, and about no line
	}
	var se *exec.StepError
	if errors.As(err, &se) {
		e.Step, e.StepName = se.Step, se.Name
	}
	if file != nil {
		e.Excerpt = file.Excerpt(err)
	}
	return e
}
