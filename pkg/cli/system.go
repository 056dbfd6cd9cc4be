// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
)

func dialStdioCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "dial-stdio", Usage: "Proxy the stdio stream to the daemon connection", Hidden: true,
		Action: func(c *cli.Context) error {
			return command.ExitWith(125, command.Errorf("%s: '%s system dial-stdio' is not supported: there is no daemon to connect to", e.Program, e.Program))
		},
	}
}
