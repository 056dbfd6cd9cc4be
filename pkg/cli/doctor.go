// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/doctor"
)

func doctorCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "Examine what this host gives, and say how it could give more", ArgsUsage: "[ABILITY]",
		Flags: []cli.Flag{
			flags.Text("format", flags.Short("f"), "Format output: 'table' (default), 'table TEMPLATE', 'json', or a Go template"),
			flags.Bool("quiet", flags.Short("q"), "Only say what is missing"),
			flags.Bool("apparmor-profile", nil, "Print an AppArmor profile for this program, and quit"),
		},
		Action: command.Takes(e, 0, -1, func(e *command.Env, c *cli.Context) error {
			if c.Bool("apparmor-profile") {
				return printProfile(e.Stdout)
			}
			return runDoctor(c.Context, e, c.Args().Slice(), c.String("format"), c.Bool("quiet"))
		}),
	}
}

func printProfile(w io.Writer) error {
	path, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	_, err = io.WriteString(w, doctor.Profile(path))
	return err
}

// runDoctor ends with 1 where no container can run, as far as the abilities that are
// asked for decide that.
func runDoctor(ctx context.Context, e *command.Env, names []string, format string, quiet bool) error {
	report, err := doctor.Examine(ctx, e.Root).Named(names)
	if err != nil {
		return command.Errorf("%v", err)
	}
	shown := report
	if quiet {
		shown = nil
		for _, r := range report {
			if r.State != doctor.Yes {
				shown = append(shown, r)
			}
		}
	}
	switch format {
	case "", "table":
		_, err = io.WriteString(e.Stdout, reportText(shown))
	case "json":
		enc := json.NewEncoder(e.Stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if shown == nil {
			shown = doctor.Report{}
		}
		err = enc.Encode(shown)
	default:
		err = command.FormatError(formatter.Write(e.Stdout, formatter.Abilities(), format, shown))
	}
	if err == nil && !report.Sound() {
		return command.Exit(1)
	}
	return err
}

// reportText is the table, and below it what can be done.
func reportText(report doctor.Report) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 1, 3, ' ', 0)
	fmt.Fprintln(w, "ABILITY\tHERE\tFOUND")
	for _, r := range report {
		state := string(r.State)
		if r.State == doctor.No && r.Needed {
			state = "NO"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Name, state, strings.ReplaceAll(r.Found, "\n", " "))
	}
	_ = w.Flush() // into memory
	for _, r := range report {
		if r.State == doctor.Yes || r.State == doctor.Unknown {
			continue
		}
		fmt.Fprintf(&b, "\n%s: %s\n", r.Name, r.Found)
		for _, l := range []struct{ what, text string }{{"lost", r.Lost}, {"instead", r.Instead}, {"remedy", r.Remedy}} {
			if l.text != "" {
				fmt.Fprintf(&b, "  %-8s %s\n", l.what+":", l.text)
			}
		}
	}
	return b.String()
}
