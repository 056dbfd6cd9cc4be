// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/moby/moby/api/types/volume"
	"github.com/urfave/cli/v2"

	"coracle/pkg/docker"
)

func inspectVolume(e *env, name string) (*volume.Volume, error) {
	cs, err := e.containers()
	if err != nil {
		return nil, err
	}
	v, err := cs.LoadVolume(name)
	if err != nil {
		return nil, err
	}
	return docker.Volume(v, cs.DataDir(v.Name)), nil
}

// volumeUpdateCommand answers for what only volumes of a swarm have.
func volumeUpdateCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "update", Hidden: true, SkipFlagParsing: true,
		Action: func(*cli.Context) error {
			return exitWith(125, cliErrorf("%s: '%s volume update' is not supported: it is for the volumes of a cluster", e.program, e.program))
		},
	}
}

func volumeInspectCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "Display detailed information on one or more volumes", ArgsUsage: "VOLUME [VOLUME...]", Flags: inspectFlags()[:1],
		Action: func(c *cli.Context) error { return runInspect(e, c, "volume") },
	}
}
