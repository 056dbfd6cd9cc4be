// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/compose"
	"coracle/pkg/container"
	"coracle/pkg/docker"
)

func ps(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "ps", Usage: "List containers", ArgsUsage: "[SERVICE...]",
		Flags: []cli.Flag{
			flags.Bool("all", flags.Short("a"), "Show all stopped containers (including those created by the run command)"),
			flags.Text("filter", nil, "Filter services by a property (supported filters: status)"),
			flags.Text("format", nil, "Format output: table, json, or a Go template"),
			flags.Bool("no-trunc", nil, "Don't truncate output"),
			&cli.BoolFlag{Name: "orphans", Usage: "Include orphaned services (not declared by project)", Value: true},
			flags.Bool("quiet", flags.Short("q"), "Only display IDs"),
			flags.Bool("services", nil, "Display services"),
			flags.List("status", nil, "Filter services by status. Values: [paused | restarting | removing | running | dead | created | exited]"),
		},
		Action: verb(e, 0, -1, runPs),
	}
}

func runPs(ctx context.Context, s *session) error {
	status := s.c.StringSlice("status")
	if f := s.c.String("filter"); f != "" {
		key, value, ok := strings.Cut(f, "=")
		switch {
		case !ok:
			return errors.New("arguments to --filter should be in form KEY=VAL")
		case key != "status":
			return fmt.Errorf("unknown filter %s", key)
		}
		status = append(status, value)
	}
	p, has, services, err := s.observed(ctx)
	if err != nil {
		return err
	}
	if p != nil && len(services) == 0 && !s.c.Bool("orphans") {
		services = p.ServiceNames()
	}
	list := has.Containers(services...)
	if s.c.Bool("all") {
		list = has.WithOneoff(services...)
	}
	list = slices.DeleteFunc(list, func(c *container.Container) bool {
		if len(status) > 0 {
			return !slices.Contains(status, string(c.State.Status))
		}
		return !s.c.Bool("all") && !c.State.IsRunning()
	})
	slices.SortFunc(list, func(a, b *container.Container) int { return cmp.Compare(a.Name, b.Name) })
	return s.printPs(list)
}

func (s *session) printPs(list []*container.Container) error {
	switch {
	case s.c.Bool("quiet"):
		for _, c := range list {
			fmt.Fprintln(s.Stdout, c.ID)
		}
		return nil
	case s.c.Bool("services"):
		var names []string
		for _, c := range list {
			if name := compose.ServiceOf(c); !slices.Contains(names, name) {
				names = append(names, name)
				fmt.Fprintln(s.Stdout, name)
			}
		}
		return nil
	}
	columns := formatter.ComposeContainers()
	var rows []*formatter.ComposeContainer
	now, at := time.Now(), docker.Places{Volume: container.Volumes(s.engine.Dirs).DataDir}
	for _, c := range list {
		health := ""
		if c.State.Health != nil && c.Health.Enabled() {
			health = c.State.Health.Status
		}
		rows = append(rows, formatter.ComposeRow(docker.Summarize(c, at, now), c.State.ExitCode, health, !s.c.Bool("no-trunc"), now))
	}
	return command.PrintList(s.Env, columns, command.ListFormat(s.Env, s.c, columns, ""), rows)
}
