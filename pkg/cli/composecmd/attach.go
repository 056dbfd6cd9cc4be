// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/containercmd"
	"coracle/pkg/container"
)

func attach(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "attach", Usage: "Attach local standard input, output, and error streams to a service's running container", ArgsUsage: "SERVICE",
		Flags: append(containercmd.AttachFlags(), indexFlag()),
		Action: command.Takes(e, 1, 1, func(e *command.Env, c *cli.Context) error {
			s, err := newSession(e, c)
			if err != nil {
				return err
			}
			ctr, err := s.named(c.Context)
			if err == nil {
				err = containercmd.AttachTo(c.Context, e, c, container.NewStore(s.engine.Dirs), ctr)
			}
			return s.failed(err)
		}),
	}
}

// indexFlag says which container of a service is meant.
func indexFlag() cli.Flag {
	return &cli.IntFlag{Name: "index", Usage: "index of the container if service has multiple replicas."}
}
