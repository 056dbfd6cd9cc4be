// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"fmt"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"coracle/pkg/container"
)

var statsColumns = []column{
	{"CONTAINER ID", "ID"}, {"NAME", "Name"}, {"CPU %", "CPUPerc"}, {"MEM USAGE / LIMIT", "MemUsage"}, {"MEM %", "MemPerc"},
	{"NET I/O", "NetIO"}, {"BLOCK I/O", "BlockIO"}, {"PIDS", "PIDs"},
}

func statsCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "stats", Usage: "Display a live stream of container(s) resource usage statistics", ArgsUsage: "[CONTAINER...]",
		Flags: []cli.Flag{
			flag("all", short("a"), "Show all containers (default shows just running)"),
			text("format", nil, "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or TEMPLATE"),
			flag("no-stream", nil, "Disable streaming stats and only pull the first result"),
			flag("no-trunc", nil, "Do not truncate output"),
		},
		Action: func(c *cli.Context) error { return e.runStats(c) },
	}
}

// How long the share of the CPU is measured over: for one picture, and for a
// stream of them.
const (
	statsOnce  = 500 * time.Millisecond
	statsEvery = time.Second
)

func (e *env) runStats(c *cli.Context) error {
	cs, err := e.containers()
	if err != nil {
		return err
	}
	for _, a := range c.Args().Slice() {
		if _, err := cs.Lookup(a); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(c.Context, unix.SIGINT, unix.SIGTERM)
	defer stop()
	format := e.format(c, "statsFormat")
	every := append([]column{{"CONTAINER", "Container"}}, statsColumns...)
	last, err := sample(cs, c.Args().Slice(), c.Bool("all"))
	if err != nil {
		return err
	}
	period := statsOnce
	live := !c.Bool("no-stream") && isTerminal(e.stdout) && (format == "" || strings.HasPrefix(format, "table"))
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(period):
		}
		now, err := sample(cs, c.Args().Slice(), c.Bool("all"))
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := writeList(&b, format, statsColumns, every, statsRows(now, last, c.Bool("no-trunc"))); err != nil {
			return err
		}
		if live { // home, every line to its end, and below
			b = *bytes.NewBufferString("\x1b[H" + strings.ReplaceAll(b.String(), "\n", "\x1b[K\n") + "\x1b[J")
		}
		if _, err := e.stdout.Write(b.Bytes()); err != nil || c.Bool("no-stream") {
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

// sample looks at the named containers, or at all that run.
func sample(cs *container.Store, args []string, all bool) ([]measured, error) {
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
			if all || c.State.IsRunning() {
				list = append(list, measured{arg: shortID(c.ID, false), c: c})
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

func statsRows(now, last []measured, whole bool) []row {
	var rows []row
	for _, m := range now {
		r := row{
			"Container": m.arg, "ID": shortID(m.c.ID, whole), "Name": m.c.Name, "CPUPerc": "0.00%", "MemUsage": "0B / 0B", "MemPerc": "0.00%",
			"NetIO": "0B / 0B", "BlockIO": "0B / 0B", "PIDs": "0",
		}
		if u := m.use; u != nil {
			r["MemUsage"] = units.BytesSize(float64(u.Memory)) + " / " + units.BytesSize(float64(u.MemoryLimit))
			r["MemPerc"] = percent(float64(u.Memory), float64(u.MemoryLimit))
			r["NetIO"] = pair(u.Received, u.Sent)
			r["BlockIO"] = pair(u.Read, u.Written)
			r["PIDs"] = fmt.Sprint(u.Pids)
			i := slices.IndexFunc(last, func(l measured) bool { return l.c.ID == m.c.ID && l.use != nil })
			if i >= 0 && u.CPU > last[i].use.CPU {
				r["CPUPerc"] = percent(float64(u.CPU-last[i].use.CPU), float64(u.At.Sub(last[i].use.At)))
			}
		}
		rows = append(rows, r)
	}
	return rows
}

func pair(a, b uint64) string {
	return units.HumanSizeWithPrecision(float64(a), 3) + " / " + units.HumanSizeWithPrecision(float64(b), 3)
}

func percent(part, whole float64) string {
	if whole <= 0 {
		return "0.00%"
	}
	return fmt.Sprintf("%.2f%%", 100*part/whole)
}
