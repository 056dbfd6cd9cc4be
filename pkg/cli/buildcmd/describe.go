// SPDX-License-Identifier: Apache-2.0

package buildcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/progress"
	"coracle/pkg/dockerfile"
	"coracle/pkg/dockerfile/plan"
)

// The ways in which a Dockerfile can be looked at, by --call: two of buildx's,
// and the graph that a build goes through.
const (
	callTargets = "targets"
	callOutline = "outline"
	callGraph   = "graph"
)

// runDescribe prints what --call asks for.
func runDescribe(ctx context.Context, e *command.Env, c *cli.Context, r dockerfile.Request) error {
	d, err := e.Open()
	if err != nil {
		return err
	}
	show, err := progress.NewBuild(e.Stderr, progressMode(c))
	if err != nil {
		return command.Errorf("%v", err)
	}
	call := c.String("call")
	res, err := dockerfile.Describe(ctx, d, dockerfile.DescribeRequest{Request: r, TargetsOnly: call == callTargets}, show.Event)
	show.Close()
	var failed *dockerfile.Error
	if errors.As(err, &failed) {
		printBuildError(e, failed, show)
		return command.Exit(1)
	}
	if err != nil {
		return err
	}
	switch call {
	case callTargets:
		return printTargets(e.Stdout, res.Targets)
	case callOutline:
		return printOutline(e.Stdout, res.Outline)
	}
	_, err = io.WriteString(e.Stdout, res.Graph)
	return err
}

// printTargets has buildx's form.
func printTargets(to io.Writer, list []plan.Target) error {
	w := tabwriter.NewWriter(to, 0, 0, 1, ' ', 0)
	fmt.Fprint(w, "TARGET\tDESCRIPTION\n")
	for _, t := range list {
		name := t.Name
		switch {
		case t.Default && name == "":
			name = "(default)"
		case t.Default:
			name += " (default)"
		}
		fmt.Fprintf(w, "%s\t%s\n", name, t.Description)
	}
	return w.Flush()
}

// printOutline has buildx's form: a table for each kind of thing that there is.
func printOutline(to io.Writer, o plan.Outline) error {
	var errs []error
	table := func(padding, rows int, heading string, row func(w io.Writer, i int)) {
		if rows == 0 {
			return
		}
		w := tabwriter.NewWriter(to, 0, 0, padding, ' ', 0)
		fmt.Fprint(w, heading)
		for i := range rows {
			row(w, i)
		}
		errs = append(errs, w.Flush())
		fmt.Fprintln(to)
	}
	if o.Target.Name != "" {
		lines := [][2]string{{"TARGET:", o.Target.Name}}
		if o.Target.Description != "" {
			lines = append(lines, [2]string{"DESCRIPTION:", o.Target.Description})
		}
		table(1, len(lines), "", func(w io.Writer, i int) { fmt.Fprintf(w, "%s\t%s\n", lines[i][0], lines[i][1]) })
	}
	table(3, len(o.Args), "BUILD ARG\tVALUE\tDESCRIPTION\n", func(w io.Writer, i int) {
		fmt.Fprintf(w, "%s\t%s\t%s\n", o.Args[i].Name, o.Args[i].Value, o.Args[i].Description)
	})
	table(3, len(o.Secrets), "SECRET\tREQUIRED\n", func(w io.Writer, i int) {
		required := ""
		if o.Secrets[i].Required {
			required = "true"
		}
		fmt.Fprintf(w, "%s\t%s\n", o.Secrets[i].ID, required)
	})
	return errors.Join(errs...)
}
