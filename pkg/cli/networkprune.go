// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"

	"coracle/pkg/cli/command"

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"

	"coracle/pkg/docker"
	"coracle/pkg/events"
	"coracle/pkg/network"
)

func networkPruneCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "Remove all unused networks",
		Flags: []cli.Flag{flags.Bool("force", flags.Short("f"), "Do not prompt for confirmation"), flags.List("filter", nil, "Provide filter values")},
		Action: func(c *cli.Context) error {
			f, err := pruneFilters(e, c)
			if err != nil {
				return err
			}
			if ok, err := command.Agreed(e, c, "WARNING! This will remove all custom networks not used by at least one container."); !ok || err != nil {
				return err
			}
			p, err := pruneNetworks(e, c, f)
			p.show(e.Stdout)
			return err
		},
	}
}

// usedNetworks are those that a running container names.
func usedNetworks(e *command.Env) (map[string]bool, error) {
	cs, err := e.Containers()
	if err != nil {
		return nil, err
	}
	list, err := cs.Readable()
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, ctr := range list {
		if !ctr.State.IsRunning() {
			continue // as in Docker: it is on no network before it is started
		}
		for _, end := range ctr.Net.Networks {
			used[end.Network] = true
		}
	}
	return used, nil
}

// pruneNetworks removes the networks that nobody is on.
func pruneNetworks(e *command.Env, c *cli.Context, f docker.Filters) (pruned, error) {
	p := pruned{heading: "Deleted Networks:"}
	nets, err := networks(e)
	if err != nil {
		return p, err
	}
	list, err := nets.List()
	if err != nil {
		return p, err
	}
	used, err := usedNetworks(e)
	if err != nil {
		return p, err
	}
	for _, w := range list {
		if used[w.Name] || !f.MatchPrune(w.Labels, w.Created) {
			continue
		}
		err := nets.Remove(c.Context, w)
		var inUse *network.InUseError
		if errors.As(err, &inUse) {
			continue // by a container that has just started
		}
		if err != nil {
			return p, err
		}
		event(e, events.Network, "destroy", w.ID, w.Name)
		p.lines = append(p.lines, w.Name)
	}
	pruneEvent(e, events.Network, 0)
	return p, nil
}
