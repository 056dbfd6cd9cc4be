// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/oci/registry"
)

// Logout is the command logout: log out from a registry.
func Logout(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "logout", Usage: "Log out from a registry", ArgsUsage: "[SERVER]",
		Action: command.Takes(e, 0, 1, func(e *command.Env, c *cli.Context) error {
			server := registry.TrimServer(c.Args().First())
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
		}),
	}
}
