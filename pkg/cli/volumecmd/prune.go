// SPDX-License-Identifier: Apache-2.0

package volumecmd

import (
	"errors"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/docker"
	"coracle/pkg/trash"
)

// Prune is the command prune: remove unused local volumes.
func Prune(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "Remove unused local volumes",
		Flags: []cli.Flag{
			flags.Bool("all", flags.Short("a"), "Remove all unused volumes, not just anonymous ones"),
			flags.List("filter", nil, "Provide filter values (e.g. \"label=<label>\")"), flags.Bool("force", flags.Short("f"), "Do not prompt for confirmation"),
		},
		Action: command.Takes(e, 0, 0, func(e *command.Env, c *cli.Context) error {
			f, err := docker.VolumePruneFilters(c.StringSlice("filter"))
			if err != nil {
				return err
			}
			what := "anonymous local volumes"
			if c.Bool("all") {
				if len(f["all"]) > 0 {
					return command.Errorf("conflicting options: cannot specify both --all and --filter all=1")
				}
				f["all"], what = []string{"true"}, "all local volumes"
			}
			if ok, err := command.Agreed(e, c, "WARNING! This will remove "+what+" not used by at least one container."); !ok || err != nil {
				return err
			}
			return command.PruneAll(e, c, f, PruneVolumes)
		}),
	}
}

// PruneVolumes removes the volumes that no container names: the anonymous
// ones, or with the filter all every one.
func PruneVolumes(e *command.Env, c *cli.Context, f docker.Filters) (command.Pruned, error) {
	p := command.Pruned{Heading: "Deleted Volumes:"}
	vs, err := command.Volumes(e)
	if err != nil {
		return p, err
	}
	done, err := vs.Prune(c.Context, f.ChooseVolume)
	for _, err := range done.Failed {
		command.Tell(e, err)
	}
	p.Lines, p.Freed = done.Names, done.Freed
	return p, errors.Join(err, trash.Empty(c.Context, e.Dirs))
}
