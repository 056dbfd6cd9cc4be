// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"bufio"

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
	if err := docker.ReadableLog(ctr); err != nil {
		return err
	}
	o := logfile.Options{Tail: logfile.ParseTail(c.String("tail"))}
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
		if _, err := w.WriteString(entry.Prefix(stamps, details)); err != nil {
			return err
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
