// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"fmt"

	"coracle/pkg/container/control"
	"coracle/pkg/hint"
)

// ExitError ends the program with a code. Its cause, if any, has been printed
// or is printed by report.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit %d", e.Code)
	}
	return e.Err.Error()
}
func (e *ExitError) Unwrap() error { return e.Err }

// Exit ends the program with code and without a word.
func Exit(code int) error {
	if code == 0 {
		return nil
	}
	return &ExitError{Code: code}
}

// ExitWith ends the program with code for err.
func ExitWith(code int, err error) error { return &ExitError{code, err} }

// ClientError is a mistake that Docker's client finds by itself: no engine's
// prefix stands before it.
type ClientError struct{ message string }

func (e *ClientError) Error() string { return e.message }

// Errorf is a ClientError.
func Errorf(format string, args ...any) error {
	return &ClientError{fmt.Sprintf(format, args...)}
}

// prefix stands before what Docker's engine says: its exact words when called
// by its name. coracle has no daemon to speak of.
func prefix(e *Env) string {
	if e.Program == "docker" {
		return "Error response from daemon: "
	}
	return "Error: "
}

// Message is how an error is shown.
func Message(e *Env, err error) string {
	var own *ClientError
	var lost *control.OutputError
	if errors.As(err, &own) || errors.As(err, &lost) {
		return err.Error()
	}
	return prefix(e) + err.Error()
}

// Tell says what went wrong, and what can be done.
func Tell(e *Env, err error) {
	fmt.Fprintln(e.Stderr, Message(e, err))
	if h := hint.Of(err); h != "" {
		fmt.Fprintln(e.Stderr, "hint: "+h)
	}
}

// Note says what there is to say about the flags, once.
func Note(e *Env, lines []string) {
	for _, l := range lines {
		fmt.Fprintln(e.Stderr, l)
	}
}

// RunError is how run and create fail before the process: the program's name
// first, then where to read on.
func RunError(e *Env, cmd string, err error) error {
	code := 125
	var se *control.StartError
	if errors.As(err, &se) {
		code = se.Code
	}
	fmt.Fprintf(e.Stderr, "%s: %s\n", e.Program, Message(e, err))
	if h := hint.Of(err); h != "" {
		fmt.Fprintln(e.Stderr, "hint: "+h)
	}
	fmt.Fprintf(e.Stderr, "\nRun '%s %s --help' for more information\n", e.Program, cmd)
	return Exit(code)
}

// Each does f for every argument, prints what succeeded as it was typed, says
// what did not, and fails if anything did.
func Each(e *Env, args []string, f func(arg string) error) error {
	failed := false
	for _, a := range args {
		if err := f(a); err != nil {
			Tell(e, err)
			failed = true
			continue
		}
		fmt.Fprintln(e.Stdout, a)
	}
	if failed {
		return Exit(1)
	}
	return nil
}
