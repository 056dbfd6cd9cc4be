// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"errors"

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

// inOrder is onContainers, but those that join a namespace of another come after
// all others.
func inOrder(e *command.Env, args []string, f func(*container.Store, *container.Container) error) error {
	var first, last []string
	for _, a := range args {
		if _, ctr, err := e.Container(a); err == nil && len(ctr.Neighbours()) > 0 {
			last = append(last, a)
		} else {
			first = append(first, a)
		}
	}
	err := command.OnContainers(e, first, f)
	if len(last) == 0 {
		return err
	}
	return errors.Join(err, command.OnContainers(e, last, f))
}
