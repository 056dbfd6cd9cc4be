// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"strings"

	"coracle/pkg/cli/flags"
)

// report prints err and returns the exit code for it: the one place where an
// error becomes words and a number.
func report(e *env, err error) int {
	var help *flags.HelpRequest
	var usage *flags.UsageError
	var code *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &help):
		note(e, help.Notes)
		if help.Bare {
			fmt.Fprint(e.stderr, flags.UsageText(app(e), help.Cmd, help.Path))
			return 0
		}
		fmt.Fprint(e.stdout, flags.UsageText(app(e), help.Cmd, help.Path))
		return 0
	case codeOfPipe(err) != 0:
		return codeOfPipe(err)
	case errors.As(err, &usage):
		return reportUsage(e, usage)
	case errors.As(err, &code) && code.err == nil:
		return code.code
	}
	dieOfPipe(e, err)
	tellError(e, err)
	if code != nil {
		return code.code
	}
	return 1
}

// reportUsage shows a mistake as Docker does: the parser of flags says it
// plainly, and ends with 125.
func reportUsage(e *env, u *flags.UsageError) int {
	where := strings.TrimSpace(e.program + " " + u.Path)
	if u.Code == 125 {
		fmt.Fprintf(e.stderr, "%s\n\n", u.Message)
	} else {
		fmt.Fprintf(e.stderr, "%s: %s\n\n", e.program, u.Message)
	}
	if u.Cmd != nil || u.Code == 125 {
		fmt.Fprintf(e.stderr, "Usage:  %s\n\n", flags.UsageLine(e.program, u.Cmd, u.Path))
	}
	verb := "Run"
	if u.See {
		verb = "See"
	}
	fmt.Fprintf(e.stderr, "%s '%s --help' for more information\n", verb, where)
	return u.Code
}
