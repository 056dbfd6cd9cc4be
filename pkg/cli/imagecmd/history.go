// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/docker"
)

// History is the command history: show the history of an image.
func History(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "history", Usage: "Show the history of an image", ArgsUsage: "IMAGE",
		Flags: []cli.Flag{
			flags.Text("format", nil, "Format output"), &cli.BoolFlag{Name: "human", Aliases: flags.Short("H"), Value: true, Usage: "Print sizes and dates in human readable format"},
			flags.Bool("no-trunc", nil, "Don't truncate output"), flags.Bool("quiet", flags.Short("q"), "Only show image IDs"),
			flags.Text("platform", nil, "Show history for the given platform: an image here has one"),
		},
		Action: command.Takes(e, 1, 1, runHistory),
	}
}

func runHistory(e *command.Env, c *cli.Context) error {
	s, err := command.Images(e)
	if err != nil {
		return err
	}
	d, err := s.Inspect(c.Context, c.Args().First(), givenPlatform(c)...)
	if err != nil {
		return err
	}
	items, err := docker.History(d)
	if err != nil {
		return err
	}
	human, now := c.Bool("human"), time.Now()
	list := formatter.History(human)
	rows := make([]*formatter.HistoryContext, len(items))
	for i, h := range items {
		rows[i] = formatter.HistoryRow(h, human, !c.Bool("no-trunc"), now)
	}
	return command.PrintList(e, list, command.ListFormat(e, c, list, ""), rows)
}
