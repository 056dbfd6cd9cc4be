// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"errors"
	"slices"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
)

// Restart is the command restart: restart one or more containers.
func Restart(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "restart", Usage: "Restart one or more containers", ArgsUsage: "CONTAINER [CONTAINER...]", Flags: stopFlags(),
		Action: command.Takes(e, 1, -1, func(e *command.Env, c *cli.Context) error {
			q, sig, err := stopRequest(c)
			if err != nil {
				return err
			}
			return inOrder(e, c.Args().Slice(), func(cs *container.Store, ctr *container.Container) error {
				return client.Restart(c.Context, cs, ctr, sig, q.Timeout, func(again *container.Container) error { return StartDetached(c.Context, e, cs, again) })
			})
		}),
	}
}

// inOrder is onContainers, but those that join a namespace of another one that is
// named come after it.
func inOrder(e *command.Env, args []string, f func(*container.Store, *container.Container) error) error {
	var errs []error
	for _, wave := range waves(args, func(arg string) (*container.Container, error) {
		_, ctr, err := e.Container(arg)
		return ctr, err
	}) {
		errs = append(errs, command.OnContainers(e, wave, f))
	}
	return errors.Join(errs...)
}

// waves divides names of containers into such as may be started at once, each after
// those that it joins. One that cannot be looked up is in the first.
func waves(args []string, lookup func(string) (*container.Container, error)) (list [][]string) {
	found := map[string]*container.Container{}
	for _, a := range args {
		if ctr, err := lookup(a); err == nil {
			found[a] = ctr
		}
	}
	for len(args) > 0 {
		waiting := map[string]bool{} // IDs
		for _, a := range args {
			if ctr := found[a]; ctr != nil {
				waiting[ctr.ID] = true
			}
		}
		var now, later []string
		for _, a := range args {
			ctr := found[a]
			if ctr != nil && slices.ContainsFunc(ctr.Neighbours(), func(n container.Neighbour) bool { return waiting[n.ID] }) {
				later = append(later, a)
			} else {
				now = append(now, a)
			}
		}
		if len(now) == 0 { // records that somebody has made contradict each other
			now, later = later, nil
		}
		list, args = append(list, now), later
	}
	return list
}
