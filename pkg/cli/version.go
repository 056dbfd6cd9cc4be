// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/docker"
	"coracle/pkg/host"
)

// versionText has the one program in both of Docker's places: scripts look for
// either.
const versionText = `Client:
 Version:           %[1]s
 API version:       %[2]s
 Go version:        %[3]s
 OS/Arch:           %[4]s/%[5]s
 Context:           default

Server: coracle
 Engine:
  Version:          %[1]s
  API version:      %[2]s (minimum version %[6]s)
  Go version:       %[3]s
  OS/Arch:          %[4]s/%[5]s
  Experimental:     false
`

func versionCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "Show the version information", Flags: []cli.Flag{flags.Text("format", flags.Short("f"), "Format output using a custom template")},
		Action: command.Takes(e, 0, 0, func(e *command.Env, c *cli.Context) error {
			p, err := host.Program(Version)
			if err != nil {
				return err
			}
			if f := c.String("format"); f != "" {
				return command.PrintObject(e, f, docker.Versions(p))
			}
			_, err = fmt.Fprintf(e.Stdout, versionText, p.Version, docker.APIVersion, p.GoVersion, p.OS, p.Arch, docker.MinAPIVersion)
			return err
		}),
	}
}
