// SPDX-License-Identifier: Apache-2.0

package control

import "coracle/pkg/hint"

// StartError is why a container, or a process in it, did not start. Code is
// the exit code that Docker gives it: 125, 126 or 127.
type StartError struct {
	Code    int
	Message string
	hint    string
}

func (e *StartError) Error() string { return e.Message }

// Hint says what the user can do about it, or is empty.
func (e *StartError) Hint() string { return e.hint }

// NewStartError wraps the reason a start failed.
func NewStartError(code int, err error) *StartError {
	return &StartError{Code: code, Message: err.Error(), hint: hint.Of(err)}
}

// Err is what an EventError says.
func (r *Reply) Err() *StartError {
	return &StartError{Code: r.Code, Message: r.Error, hint: r.Hint}
}
