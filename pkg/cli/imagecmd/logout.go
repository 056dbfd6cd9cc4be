// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"fmt"

	"coracle/pkg/cli/command"

	"github.com/urfave/cli/v2"
)

func LogoutCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "logout", Usage: "Log out from a registry", ArgsUsage: "[SERVER]",
		Action: func(c *cli.Context) error {
			if err := command.NeedArgs(e, c, 0, 1); err != nil {
				return err
			}
			server := trimServer(c.Args().First())
			shown := server
			if shown == "" {
				shown = "https://index.docker.io/v1/"
			}
			known, err := command.Access(e).Logout(server)
			if err != nil {
				return err
			}
			if !known {
				fmt.Fprintf(e.Stdout, "Not logged in to %s\n", shown)
				return nil
			}
			fmt.Fprintf(e.Stdout, "Removing login credentials for %s\n", shown)
			return nil
		},
	}
}
