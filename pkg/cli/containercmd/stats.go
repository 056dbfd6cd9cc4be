// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/container"
	"coracle/pkg/docker"
)

// Stats is the command stats: display a live stream of container(s) resource usage statistics.
func Stats(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "stats", Usage: "Display a live stream of container(s) resource usage statistics", ArgsUsage: "[CONTAINER...]",
		Flags:  StatsFlags(),
		Action: func(c *cli.Context) error { return runStats(e, c) },
	}
}

// StatsFlags are those that ShowStats reads.
func StatsFlags() []cli.Flag {
	return []cli.Flag{
		flags.Bool("all", flags.Short("a"), "Show all containers (default shows just running)"),
		flags.Text("format", nil, "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or TEMPLATE"),
		flags.Bool("no-stream", nil, "Disable streaming stats and only pull the first result"),
		flags.Bool("no-trunc", nil, "Do not truncate output"),
	}
}

// How long the share of the CPU is measured over: for one picture, and for a
// stream of them.
const (
	statsOnce  = 500 * time.Millisecond
	statsEvery = time.Second
)

func runStats(e *command.Env, c *cli.Context) error {
	cs, err := e.Containers()
	if err != nil {
		return err
	}
	for _, a := range c.Args().Slice() {
		if _, err := cs.Lookup(a); err != nil {
			return err
		}
	}
	return showStats(c.Context, e, c, func() ([]measured, error) { return sample(cs, c.Args().Slice(), c.Bool("all"), nil) })
}

// ShowStats shows what containers use of which such is true, as the flags say.
func ShowStats(ctx context.Context, e *command.Env, c *cli.Context, such func(*container.Container) bool) error {
	cs, err := e.Containers()
	if err != nil {
		return err
	}
	return showStats(ctx, e, c, func() ([]measured, error) { return sample(cs, nil, c.Bool("all"), such) })
}

func showStats(ctx context.Context, e *command.Env, c *cli.Context, look func() ([]measured, error)) error {
	list := formatter.Stats()
	format := command.ListFormat(e, c, list, "statsFormat")
	last, err := look()
	if err != nil {
		return err
	}
	period := statsOnce
	live := !c.Bool("no-stream") && command.IsTerminal(e.Stdout) && strings.HasPrefix(format, formatter.TableKey)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(period):
		}
		now, err := look()
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := formatter.Write(&b, list, format, statsRows(now, last, !c.Bool("no-trunc"))); err != nil {
			return command.FormatError(err)
		}
		if live { // home, every line to its end, and below
			b = *bytes.NewBufferString("\x1b[H" + strings.ReplaceAll(b.String(), "\n", "\x1b[K\n") + "\x1b[J")
		}
		if _, err := e.Stdout.Write(b.Bytes()); err != nil || c.Bool("no-stream") {
			return err
		}
		last, period = now, statsEvery
	}
}

// measured is a container and what it used when it was looked at; running
// containers have a usage.
type measured struct {
	arg string // as it was asked for
	c   *container.Container
	use *container.Usage
}

// sample looks at the named containers, or at all that run and are such; nil: all are.
func sample(cs *container.Store, args []string, all bool, such func(*container.Container) bool) ([]measured, error) {
	var list []measured
	for _, a := range args {
		if c, err := cs.Lookup(a); err == nil { // else it was removed since
			list = append(list, measured{arg: a, c: c})
		}
	}
	if len(args) == 0 {
		every, err := cs.Readable()
		if err != nil {
			return nil, err
		}
		for _, c := range every {
			if (all || c.State.IsRunning()) && (such == nil || such(c)) {
				list = append(list, measured{arg: c.ID[:12], c: c})
			}
		}
	}
	var wg sync.WaitGroup
	for i := range list {
		wg.Go(func() {
			if u, err := list[i].c.Usage(); err == nil {
				list[i].use = &u
			}
		})
	}
	wg.Wait()
	return list, nil
}

// statsRows are the rows of now; the share of the CPU is that since last.
func statsRows(now, last []measured, short bool) []*formatter.StatsContext {
	var rows []*formatter.StatsContext
	for _, m := range now {
		var before *container.Usage
		if i := slices.IndexFunc(last, func(l measured) bool { return l.c.ID == m.c.ID }); i >= 0 {
			before = last[i].use
		}
		rows = append(rows, formatter.StatsRow(m.arg, docker.Stats(m.c, m.use, before, runtime.NumCPU()), short))
	}
	return rows
}
