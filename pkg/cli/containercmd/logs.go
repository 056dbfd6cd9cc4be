// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"bufio"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/container/client"
	"coracle/pkg/container/logfile"
	"coracle/pkg/docker"
)

// Logs is the command logs: fetch the logs of a container.
func Logs(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "logs", Usage: "Fetch the logs of a container", ArgsUsage: "CONTAINER",
		Flags: []cli.Flag{
			flags.Bool("details", nil, "Show extra details provided to logs"),
			flags.Bool("follow", flags.Short("f"), "Follow log output"),
			flags.Text("since", nil, "Show logs since timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)"),
			&cli.StringFlag{Name: "tail", Aliases: flags.Short("n"), Value: "all", Usage: "Number of lines to show from the end of the logs"},
			flags.Bool("timestamps", flags.Short("t"), "Show timestamps"),
			flags.Text("until", nil, "Show logs before a timestamp or relative"),
		},
		Action: command.Takes(e, 1, 1, runLogs),
	}
}

func runLogs(e *command.Env, c *cli.Context) error {
	cs, ctr, err := e.Container(c.Args().First())
	if err != nil {
		return err
	}
	if d := ctr.Life.LogDriver; d == logfile.None || d == logfile.Journald {
		return fmt.Errorf("configured logging driver does not support reading")
	}
	o := logfile.Options{Tail: -1}
	if t := c.String("tail"); t != "all" {
		if n, err := strconv.Atoi(t); err == nil && n >= 0 {
			o.Tail = n
		}
	}
	if o.Since, err = docker.ParseMoment(c.String("since")); err != nil {
		return command.Errorf("invalid value for \"since\": %v", err)
	}
	if o.Until, err = docker.ParseMoment(c.String("until")); err != nil {
		return command.Errorf("invalid value for \"until\": %v", err)
	}
	o.Follow = c.Bool("follow") && ctr.State.IsRunning()
	return printLog(e, func(each func(logfile.Entry) error) error { return client.Logs(c.Context, cs, ctr, o, each) }, o.Follow, c.Bool("timestamps"), c.Bool("details"))
}

// printLog prints the entries that read gives, at once when it follows.
func printLog(e *command.Env, read func(func(logfile.Entry) error) error, follow, stamps, details bool) error {
	out, errs := bufio.NewWriterSize(e.Stdout, 256<<10), bufio.NewWriterSize(e.Stderr, 64<<10)
	last := out
	err := read(func(entry logfile.Entry) error {
		w := out
		if entry.Stream == "stderr" {
			w = errs
		}
		if w != last { // keep the order of the two
			if err := last.Flush(); err != nil {
				return err
			}
			last = w
		}
		if stamps {
			if _, err := w.WriteString(entry.Time + " "); err != nil {
				return err
			}
		}
		if details {
			if _, err := w.WriteString(attrText(entry.Attrs) + " "); err != nil {
				return err
			}
		}
		if _, err := w.Write(entry.Text); err != nil {
			return err
		}
		if follow {
			return w.Flush()
		}
		return nil
	})
	if ferr := out.Flush(); err == nil {
		err = ferr
	}
	if ferr := errs.Flush(); err == nil {
		err = ferr
	}
	return err
}

// attrText is how Docker shows the attributes of a line: k=v,k2=v2, escaped as
// in an address.
func attrText(attrs map[string]string) string {
	var list []string
	for k, v := range attrs {
		list = append(list, url.QueryEscape(k)+"="+url.QueryEscape(v))
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}
