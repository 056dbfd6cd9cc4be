// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/compose/convert"
)

func version(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "Show the Docker Compose version information",
		Flags: []cli.Flag{
			flags.Text("format", flags.Short("f"), "Format the output. Values: [pretty | json]"),
			flags.Bool("short", nil, "Shows only Compose's version number"),
		},
		Action: command.Takes(e, 0, 0, func(e *command.Env, c *cli.Context) error {
			switch {
			case c.Bool("short"):
				fmt.Fprintln(e.Stdout, convert.Version)
			case c.String("format") == "json":
				line, err := json.Marshal(map[string]string{"version": "v" + convert.Version})
				if err != nil {
					return err
				}
				fmt.Fprintf(e.Stdout, "%s\n", line)
			default:
				fmt.Fprintf(e.Stdout, "Docker Compose version v%s (coracle %s)\n", convert.Version, e.Version)
			}
			return nil
		}),
	}
}
