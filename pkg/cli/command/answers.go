// SPDX-License-Identifier: Apache-2.0

package command

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
)

// InspectFlags are those of inspect; the commands of one kind of object have the
// first, or the first two.
func InspectFlags() []cli.Flag {
	return []cli.Flag{
		flags.Text("format", flags.Short("f"), "Format output using a custom template"),
		flags.Bool("size", flags.Short("s"), "Display total file sizes if the type is container"),
		flags.Text("type", nil, "Only inspect objects of the given type"),
	}
}

// PrintAnswers prints what find says of each argument, and then what it has not
// found.
func PrintAnswers(e *Env, format string, args []string, find func(arg string) (any, error)) error {
	out, err := formatter.NewInspector(format)
	if err != nil {
		return FormatError(err)
	}
	var bad []error
	for _, a := range args {
		answer, err := find(a)
		if err == nil {
			err = FormatError(out.Add(answer))
		}
		if err != nil {
			bad = append(bad, err)
		}
	}
	if err := out.Flush(e.Stdout); err != nil {
		return err
	}
	for _, err := range bad {
		Tell(e, err)
	}
	return Exit(min(1, len(bad)))
}
