// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"

	"coracle/pkg/hint"

	"coracle/pkg/container"
	"coracle/pkg/ns"
)

// exitError ends the program with a code. Its cause, if any, has been printed
// or is printed by report.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }

// exit ends the program with code and without a word.
func exit(code int) error {
	if code == 0 {
		return nil
	}
	return &exitError{code: code}
}

// exitWith ends the program with code for err.
func exitWith(code int, err error) error { return &exitError{code, err} }

// cliError is a mistake that Docker's client finds by itself: no engine's
// prefix stands before it.
type cliError struct{ message string }

func (e *cliError) Error() string { return e.message }

func cliErrorf(format string, args ...any) error {
	return &cliError{fmt.Sprintf(format, args...)}
}

// prefix stands before what Docker's engine says: its exact words when called
// by its name. coracle has no daemon to speak of.
func prefix(e *env) string {
	if e.program == "docker" {
		return "Error response from daemon: "
	}
	return "Error: "
}

// message is how an error is shown.
func message(e *env, err error) string {
	var own *cliError
	var lost *container.OutputError
	if errors.As(err, &own) || errors.As(err, &lost) {
		return err.Error()
	}
	return prefix(e) + err.Error()
}

// tellError says what went wrong, and what can be done.
func tellError(e *env, err error) {
	fmt.Fprintln(e.stderr, message(e, err))
	if h := hint.Of(err); h != "" {
		fmt.Fprintln(e.stderr, "hint: "+h)
	}
}

// note says what there is to say about the flags, once: not again inside the
// user namespace.
func note(e *env, lines []string) {
	if ns.Inside() {
		return
	}
	for _, l := range lines {
		fmt.Fprintln(e.stderr, l)
	}
}

// runError is how run and create fail before the process: the program's name
// first, then where to read on.
func runError(e *env, cmd string, err error) error {
	code := 125
	var se *container.StartError
	if errors.As(err, &se) {
		code = se.Code
	}
	fmt.Fprintf(e.stderr, "%s: %s\n", e.program, message(e, err))
	if h := hint.Of(err); h != "" {
		fmt.Fprintln(e.stderr, "hint: "+h)
	}
	fmt.Fprintf(e.stderr, "\nRun '%s %s --help' for more information\n", e.program, cmd)
	return exit(code)
}

// each does f for every argument, prints what succeeded as it was typed, says
// what did not, and fails if anything did.
func each(e *env, args []string, f func(arg string) error) error {
	failed := false
	for _, a := range args {
		if err := f(a); err != nil {
			tellError(e, err)
			failed = true
			continue
		}
		fmt.Fprintln(e.stdout, a)
	}
	if failed {
		return exit(1)
	}
	return nil
}
