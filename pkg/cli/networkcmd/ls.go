// SPDX-License-Identifier: Apache-2.0

package networkcmd

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/docker"
	"coracle/pkg/host"
)

// List is the command ls: list networks.
func List(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "ls", Aliases: []string{"list"}, Usage: "List networks",
		Flags: []cli.Flag{
			flags.List("filter", flags.Short("f"), "Provide filter values"), flags.Text("format", nil, "Format output"),
			flags.Bool("no-trunc", nil, "Do not truncate the output"), flags.Bool("quiet", flags.Short("q"), "Only display network IDs"),
		},
		Action: command.Takes(e, 0, 0, func(e *command.Env, c *cli.Context) error {
			d, err := e.Open()
			if err != nil {
				return err
			}
			f, err := docker.NetworkFilters(c.StringSlice("filter"))
			if err != nil {
				return err
			}
			list, bad, err := host.Networks(d, f)
			for _, b := range bad {
				command.Tell(e, b)
			}
			if err != nil {
				return err
			}
			rows := make([]*formatter.NetworkContext, len(list))
			for i, n := range list {
				rows[i] = formatter.NetworkRow(n, !c.Bool("no-trunc"))
			}
			l := formatter.Networks()
			return command.PrintList(e, l, command.ListFormat(e, c, l, "networksFormat"), rows)
		}),
	}
}
