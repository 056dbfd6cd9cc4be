// SPDX-License-Identifier: Apache-2.0

package flags

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// UsageLine is "coracle run [OPTIONS] IMAGE [COMMAND] [ARG...]".
func UsageLine(program string, cmd *cli.Command, path string) string {
	if cmd == nil {
		return program + " [OPTIONS] COMMAND [ARG...]"
	}
	line := program + " " + path
	if len(cmd.Subcommands) > 0 {
		return line + options(cmd) + " COMMAND"
	}
	return strings.TrimSpace(line + options(cmd) + " " + cmd.ArgsUsage)
}

func options(cmd *cli.Command) string {
	if len(cmd.Flags) == 0 {
		return ""
	}
	return " [OPTIONS]"
}

// UsageText is the text of --help, in the form of Docker's; cmd is nil for the
// program itself.
func UsageText(app *cli.App, cmd *cli.Command, path string) string {
	var b strings.Builder
	if cmd == nil {
		fmt.Fprintf(&b, "Usage:  %s [OPTIONS] COMMAND\n\nA container engine without a daemon and without root\n", app.Name)
		commands := app.Commands
		commandList(&b, "Management Commands", commands, true)
		commandList(&b, "Commands", commands, false)
		b.WriteString("\nGlobal Options:\n")
		flagList(&b, app.Flags)
		fmt.Fprintf(&b, "\nRun '%s COMMAND --help' for more information on a command.\n", app.Name)
		return b.String()
	}
	fmt.Fprintf(&b, "Usage:  %s\n\n%s\n", UsageLine(app.Name, cmd, path), cmd.Usage)
	if len(cmd.Subcommands) > 0 {
		optionLists(&b, cmd.Flags)
		commandList(&b, "Management Commands", cmd.Subcommands, true)
		commandList(&b, "Commands", cmd.Subcommands, false)
		fmt.Fprintf(&b, "\nRun '%s %s COMMAND --help' for more information on a command.\n", app.Name, path)
		return b.String()
	}
	if same := aliases(app, cmd); len(same) > 1 {
		fmt.Fprintf(&b, "\nAliases:\n  %s\n", strings.Join(same, ", "))
	}
	optionLists(&b, cmd.Flags)
	return b.String()
}

// optionLists are the options that work, and those that are known in order to be refused.
func optionLists(b *strings.Builder, all []cli.Flag) {
	works, not := []cli.Flag{}, []cli.Flag{}
	for _, f := range all {
		if doc, ok := plain(f).(cli.DocGenerationFlag); ok && strings.HasPrefix(doc.GetUsage(), NotSupported) {
			not = append(not, f)
		} else {
			works = append(works, f)
		}
	}
	if len(works) > 0 {
		b.WriteString("\nOptions:\n")
		flagList(b, works)
	}
	if len(not) > 0 {
		b.WriteString("\nOptions of Docker that are not supported:\n")
		flagList(b, not)
	}
}

// NotSupported begins the usage of flags that are known in order to be refused.
const NotSupported = "Not supported"

// aliases are all the ways to call a command, those of a group first.
func aliases(app *cli.App, cmd *cli.Command) []string {
	var groups, tops []string
	for _, c := range app.Commands {
		for _, s := range c.Subcommands {
			if sameCommand(s, cmd) {
				for _, n := range s.Names() {
					groups = append(groups, app.Name+" "+c.Name+" "+n)
				}
			}
		}
		if sameCommand(c, cmd) {
			tops = append(tops, app.Name+" "+c.Name)
		}
	}
	return append(groups, tops...)
}

func sameCommand(a, b *cli.Command) bool {
	return !a.Hidden && len(a.Subcommands) == 0 && a.Usage == b.Usage && a.ArgsUsage == b.ArgsUsage && len(a.Flags) == len(b.Flags)
}

// commandList is one of the lists of commands: that of the groups, or that of
// the others.
func commandList(b *strings.Builder, title string, cmds []*cli.Command, groups bool) {
	shown := slices.DeleteFunc(slices.Clone(cmds), func(c *cli.Command) bool { return c.Hidden || groups != (len(c.Subcommands) > 0) })
	if len(shown) == 0 {
		return
	}
	slices.SortStableFunc(shown, func(a, b *cli.Command) int { return strings.Compare(a.Name, b.Name) })
	fmt.Fprintf(b, "\n%s:\n", title)
	for _, c := range shown {
		fmt.Fprintf(b, "  %-11s %s\n", c.Name, c.Usage)
	}
}

// flagList is the list of options, by name, in lines of at most 80 columns.
func flagList(b *strings.Builder, flags []cli.Flag) {
	type line struct{ name, left, right string }
	var lines []line
	width := 0
	for _, f := range flags {
		f = plain(f)
		doc, ok := f.(cli.DocGenerationFlag)
		if v, isVisible := f.(cli.VisibleFlag); !ok || isVisible && !v.IsVisible() {
			continue
		}
		names := Names(f)
		left := "      --" + names[0]
		for _, n := range names[1:] {
			if len(n) == 1 {
				left = "  -" + n + ", --" + names[0]
			}
		}
		left = strings.TrimRight(left+" "+shownWord(f), " ")
		width = max(width, len(left))
		lines = append(lines, line{names[0], left, doc.GetUsage() + shownDefault(f)})
	}
	slices.SortFunc(lines, func(a, b line) int { return strings.Compare(a.name, b.name) })
	for _, l := range lines {
		indent := width + 3
		fmt.Fprintf(b, "%-*s%s\n", indent, l.left, wrapText(l.right, indent, 79))
	}
}

// shownWord is what Docker's help calls the value of a flag.
func shownWord(f cli.Flag) string {
	switch w := kindOf(f).word; w {
	case "int64":
		return "int"
	case "uint16":
		return "uint"
	case "ipSlice", "ipNetSlice":
		return strings.TrimSuffix(w, "Slice") + "s"
	default:
		return w
	}
}

// shownDefault is " (default X)", where that is not nothing.
func shownDefault(f cli.Flag) string {
	switch f := f.(type) {
	case *cli.StringFlag:
		if f.Value != "" {
			return fmt.Sprintf(" (default %q)", f.Value)
		}
	case *cli.IntFlag:
		if f.Value != 0 {
			return fmt.Sprintf(" (default %d)", f.Value)
		}
	case *cli.BoolFlag:
		if f.Value {
			return " (default true)"
		}
	}
	return ""
}

// wrapText breaks text between words, so that no line ends behind width; all
// lines but the first begin at indent.
func wrapText(text string, indent, width int) string {
	room := max(width-indent, 24)
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > room:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
