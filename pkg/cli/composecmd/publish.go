// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"errors"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/hint"
)

// publish is there to say what does the same: the project's file as an artifact of a
// registry, that only a program which fetches such files can run.
func publish(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "publish", Usage: "Publish compose application (not supported)", ArgsUsage: "[OPTIONS] REPOSITORY[:TAG]", Hidden: true,
		Action: verb(e, 0, -1, func(context.Context, *session) error {
			return hint.With(errors.New("publish is not supported: a Compose file is not read from a registry"), "push the images with compose push, and give the file away as compose config writes it")
		}),
	}
}
