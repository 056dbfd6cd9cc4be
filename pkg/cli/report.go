// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"strings"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
)

// report prints err and returns the exit code for it: the one place where an
// error becomes words and a number.
func report(e *command.Env, err error) int {
	var help *flags.HelpRequest
	var usage *flags.UsageError
	var code *command.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &help):
		command.Note(e, help.Notes)
		if help.Bare {
			fmt.Fprint(e.Stderr, flags.UsageText(app(e), help.Cmd, help.Path))
			return 0
		}
		fmt.Fprint(e.Stdout, flags.UsageText(app(e), help.Cmd, help.Path))
		return 0
	case errors.As(err, &usage):
		return reportUsage(e, usage)
	case errors.As(err, &code) && code.Err == nil:
		return code.Code
	}
	command.DieOfPipe(e, err)
	command.Tell(e, err)
	if code != nil {
		return code.Code
	}
	return 1
}

// reportUsage shows a mistake as Docker does: the parser of flags says it
// plainly, and ends with 125; that of compose, which is a program of its own there,
// ends with 1.
func reportUsage(e *command.Env, u *flags.UsageError) int {
	where := strings.TrimSpace(e.Program + " " + u.Path)
	if u.Code == 125 {
		fmt.Fprintf(e.Stderr, "%s\n\n", u.Message)
	} else {
		fmt.Fprintf(e.Stderr, "%s: %s\n\n", e.Program, u.Message)
	}
	if u.Cmd != nil || u.Code == 125 {
		fmt.Fprintf(e.Stderr, "Usage:  %s\n\n", flags.UsageLine(e.Program, u.Cmd, u.Path))
	}
	verb := "Run"
	if u.See {
		verb = "See"
	}
	fmt.Fprintf(e.Stderr, "%s '%s --help' for more information\n", verb, where)
	if group, _, _ := strings.Cut(u.Path, " "); group == "compose" {
		return 1
	}
	return u.Code
}
