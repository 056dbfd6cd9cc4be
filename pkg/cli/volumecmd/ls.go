// SPDX-License-Identifier: Apache-2.0

package volumecmd

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/docker"
	"coracle/pkg/volume"
)

// List is the command ls: list volumes.
func List(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "ls", Aliases: []string{"list"}, Usage: "List volumes",
		Flags: append(flags.Absent("it is a cluster's", flags.Bool("cluster", nil, "")),
			flags.List("filter", flags.Short("f"), "Provide filter values"), flags.Text("format", nil, "Format output"), flags.Bool("quiet", flags.Short("q"), "Only display volume names"),
		),
		Action: command.Takes(e, 0, 0, listVolumes),
	}
}

func listVolumes(e *command.Env, c *cli.Context) error {
	vs, err := command.Volumes(e)
	if err != nil {
		return err
	}
	f, err := docker.VolumeFilters(c.StringSlice("filter"))
	if err != nil {
		return err
	}
	list, err := filteredVolumes(vs, f)
	if err != nil {
		return err
	}
	rows := make([]*formatter.VolumeContext, len(list))
	for i, v := range list {
		rows[i] = formatter.VolumeRow(docker.Volume(v, vs.DataDir(v.Name)))
	}
	l := formatter.Volumes()
	if err := command.PrintList(e, l, command.ListFormat(e, c, l, "volumesFormat"), rows); err != nil {
		return err
	}
	for _, v := range list {
		if v.Damaged != nil {
			command.Tell(e, v.Damaged)
		}
	}
	return nil
}

// filteredVolumes are those that volume ls shows.
func filteredVolumes(vs *volume.Store, f docker.Filters) ([]volume.Volume, error) {
	list, err := vs.List()
	if err != nil {
		return nil, err
	}
	users, err := vs.Users()
	if err != nil {
		return nil, err
	}
	return f.ChooseVolumes(list, users), nil
}
