// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// usageLine is "coracle run [OPTIONS] IMAGE [COMMAND] [ARG...]".
func (e *env) usageLine(cmd *cli.Command, path string) string {
	line := e.program + " " + path
	if len(cmd.Subcommands) > 0 {
		return line + " COMMAND"
	}
	if len(cmd.Flags) > 0 {
		line += " [OPTIONS]"
	}
	return strings.TrimSpace(line + " " + cmd.ArgsUsage)
}

// usage is the text of --help; cmd is nil for the program itself.
func (e *env) usage(cmd *cli.Command, path string) string {
	var b strings.Builder
	if cmd == nil {
		fmt.Fprintf(&b, "Usage:  %s [OPTIONS] COMMAND\n\nA container engine without a daemon and without root\n\nCommands:\n", e.program)
		e.commandList(&b, e.app().Commands)
		b.WriteString("\nGlobal Options:\n")
		flagList(&b, e.app().Flags)
		fmt.Fprintf(&b, "\nRun '%s COMMAND --help' for more information on a command.\n", e.program)
		return b.String()
	}
	fmt.Fprintf(&b, "Usage:  %s\n\n%s\n", e.usageLine(cmd, path), cmd.Usage)
	if len(cmd.Subcommands) > 0 {
		b.WriteString("\nCommands:\n")
		e.commandList(&b, cmd.Subcommands)
		fmt.Fprintf(&b, "\nRun '%s %s COMMAND --help' for more information on a command.\n", e.program, path)
		return b.String()
	}
	if len(cmd.Flags) > 0 {
		b.WriteString("\nOptions:\n")
		flagList(&b, cmd.Flags)
	}
	return b.String()
}

func (e *env) commandList(b *strings.Builder, cmds []*cli.Command) {
	for _, c := range cmds {
		if !c.Hidden {
			fmt.Fprintf(b, "  %-11s %s\n", c.Name, c.Usage)
		}
	}
}

func flagList(b *strings.Builder, flags []cli.Flag) {
	for _, f := range flags {
		f = plain(f)
		doc, ok := f.(cli.DocGenerationFlag)
		if v, isVisible := f.(cli.VisibleFlag); !ok || isVisible && !v.IsVisible() {
			continue
		}
		names := f.Names()
		left := "      --" + names[0]
		for _, n := range names[1:] {
			if len(n) == 1 {
				left = "  -" + n + ", --" + names[0]
			}
		}
		switch f.(type) {
		case *cli.BoolFlag:
		case *cli.StringSliceFlag:
			left += " list"
		case *cli.IntFlag, *cli.Int64Flag:
			left += " int"
		default:
			left += " string"
		}
		fmt.Fprintf(b, "%-32s %s\n", left, doc.GetUsage())
	}
}
