// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/container"
	"coracle/pkg/docker"
)

// Prune is the command prune: remove all stopped containers.
func Prune(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "Remove all stopped containers",
		Flags: []cli.Flag{
			flags.Bool("force", flags.Short("f"), "Do not prompt for confirmation"),
			flags.List("filter", nil, "Provide filter values (e.g. \"until=<timestamp>\")"),
		},
		Action: func(c *cli.Context) error {
			f, err := command.PruneFilters(e, c)
			if err != nil {
				return err
			}
			if ok, err := command.Agreed(e, c, "WARNING! This will remove all stopped containers."); !ok || err != nil {
				return err
			}
			return command.PruneAll(e, c, f, PruneContainers)
		},
	}
}

// PruneContainers removes the stopped containers that f matches, and returns what
// to say of it: those before an error, too. A damaged record is told of and left.
func PruneContainers(e *command.Env, c *cli.Context, f docker.Filters) (command.Pruned, error) {
	p := command.Pruned{Heading: "Deleted Containers:"}
	cs, err := e.Containers()
	if err != nil {
		return p, err
	}
	done, err := container.Prune(c.Context, cs, func(ctr *container.Container) bool { return f.MatchPrune(ctr.Labels, ctr.Created) })
	for _, err := range done.Failed {
		command.Tell(e, err)
	}
	p.Lines, p.Freed = done.IDs, done.Freed
	return p, err
}
