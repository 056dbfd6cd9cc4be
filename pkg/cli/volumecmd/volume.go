// SPDX-License-Identifier: Apache-2.0

package volumecmd

import (
	"github.com/moby/moby/api/types/volume"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/docker"
)

// Inspect is the answer about the volume of that name.
func Inspect(e *command.Env, name string) (*volume.Volume, error) {
	vs, err := command.Volumes(e)
	if err != nil {
		return nil, err
	}
	v, err := vs.Load(name)
	if err != nil {
		return nil, err
	}
	return docker.Volume(v, vs.DataDir(v.Name)), nil
}

// Update answers for what only volumes of a swarm have.
func Update(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "update", Hidden: true, SkipFlagParsing: true,
		Action: func(*cli.Context) error {
			return command.ExitWith(125, command.Errorf("%s: '%s volume update' is not supported: it is for the volumes of a cluster", e.Program, e.Program))
		},
	}
}
