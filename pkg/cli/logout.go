// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func logoutCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "logout", Usage: "Log out from a registry", ArgsUsage: "[SERVER]",
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 0, 1); err != nil {
				return err
			}
			server := trimServer(c.Args().First())
			shown := server
			if shown == "" {
				shown = "https://index.docker.io/v1/"
			}
			known, err := access(e).Logout(server)
			if err != nil {
				return err
			}
			if !known {
				fmt.Fprintf(e.stdout, "Not logged in to %s\n", shown)
				return nil
			}
			fmt.Fprintf(e.stdout, "Removing login credentials for %s\n", shown)
			return nil
		},
	}
}
