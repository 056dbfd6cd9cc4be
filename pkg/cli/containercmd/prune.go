// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"

	"coracle/pkg/cli/flags"

	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/events"
	"coracle/pkg/trash"
)

func PruneContainersCommand(e *command.Env) *cli.Command {
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

func PruneContainers(e *command.Env, c *cli.Context, f docker.Filters) (command.Pruned, error) {
	p := command.Pruned{Heading: "Deleted Containers:"}
	cs, err := e.Containers()
	if err != nil {
		return p, err
	}
	list, bad := cs.List()
	if bad != nil {
		command.Tell(e, bad)
	}
	var stopped []*container.Container
	for _, ctr := range list {
		if f.MatchPrune(ctr.Labels, ctr.Created) && !ctr.State.IsRunning() {
			stopped = append(stopped, ctr)
		}
	}
	sizes, err := cs.Sizes(c.Context, stopped)
	if err != nil {
		return p, err
	}
	for _, ctr := range stopped {
		// Docker keeps the volumes: there is volume prune for them.
		if err := removeContainer(c, cs, ctr, false, false); err != nil {
			return p, err
		}
		p.Freed += sizes[ctr.ID]
		p.Lines = append(p.Lines, ctr.ID)
	}
	command.PruneEvent(e, events.Container, p.Freed)
	return p, trash.Empty(c.Context, cs.Dirs())
}
