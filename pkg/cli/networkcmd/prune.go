// SPDX-License-Identifier: Apache-2.0

package networkcmd

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/docker"
	"coracle/pkg/network"
)

// Prune is the command prune: remove all unused networks.
func Prune(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "Remove all unused networks",
		Flags: []cli.Flag{flags.Bool("force", flags.Short("f"), "Do not prompt for confirmation"), flags.List("filter", nil, "Provide filter values")},
		Action: func(c *cli.Context) error {
			f, err := command.PruneFilters(e, c)
			if err != nil {
				return err
			}
			if ok, err := command.Agreed(e, c, "WARNING! This will remove all custom networks not used by at least one container."); !ok || err != nil {
				return err
			}
			p, err := PruneNetworks(e, c, f)
			p.Show(e.Stdout)
			return err
		},
	}
}

// PruneNetworks removes the networks that nobody is on.
func PruneNetworks(e *command.Env, c *cli.Context, f docker.Filters) (command.Pruned, error) {
	p := command.Pruned{Heading: "Deleted Networks:"}
	cs, err := e.Containers()
	if err != nil {
		return p, err
	}
	p.Lines, err = cs.PruneNetworks(c.Context, func(w network.Network) bool { return f.MatchPrune(w.Labels, w.Created) })
	return p, err
}
