// SPDX-License-Identifier: Apache-2.0

package buildcmd

import (
	"fmt"
	"os"
	"runtime"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
)

// Buildx is Docker's plugin for builds: here its words lead to the one
// builder there is.
func Buildx(e *command.Env) *cli.Command {
	build := Build(e)
	build.Aliases = []string{"b"}
	return &cli.Command{
		Name: "buildx", Usage: "Build images, by the words of Docker's plugin", Subcommands: []*cli.Command{
			build, Cache(e), buildxInspectCommand(e), buildxListCommand(e), Prune(e), buildxUseCommand(e), buildxVersionCommand(e),
			noBuildx(e, "bake", "build its targets one by one: `build --target`"), noBuildx(e, "create", "there is one builder, default"),
			noBuildx(e, "debug", "there is no build to look into"), noBuildx(e, "dial-stdio", "there is no daemon to connect to"),
			noBuildx(e, "history", "builds leave images and a cache, and no record"), noBuildx(e, "imagetools", "`manifest inspect` shows what a registry has"),
			noBuildx(e, "policy", "there are no policies for builds"),
			noBuildx(e, "rm", "there is one builder, default, and it stays"), noBuildx(e, "stop", "a builder that does not run need not be stopped"),
		},
	}
}

func noBuildx(e *command.Env, name, why string) *cli.Command {
	return &cli.Command{
		Name: name, Usage: flags.NotSupported + ": " + why, Hidden: true, SkipFlagParsing: true,
		Action: func(*cli.Context) error {
			return command.ExitWith(1, command.Errorf("ERROR: '%s buildx %s' is not supported: %s", e.Program, name, why))
		},
	}
}

func buildxVersionCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "Show buildx version information",
		Action: command.Takes(e, 0, 0, func(e *command.Env, c *cli.Context) error {
			_, err := fmt.Fprintf(e.Stdout, "coracle/buildx v%s %s\n", e.Version, command.CommitID())
			return err
		}),
	}
}

func builderPlatform() string { return "linux/" + runtime.GOARCH }

// builderRow is a builder in a list.
type builderRow struct{ Name, DriverEndpoint, LastActivity, Status, Buildkit, Platforms, Error string }

func buildxListCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "ls", Usage: "List builder instances",
		Flags: []cli.Flag{flags.Text("format", nil, "Format the output"), flags.Bool("no-trunc", nil, "Don't truncate output")},
		Action: command.Takes(e, 0, 0, func(e *command.Env, c *cli.Context) error {
			if f := c.String("format"); f != "" && f != "table" {
				return command.PrintList(e, formatter.List{}, f, []*builderRow{
					{Name: "default", DriverEndpoint: "docker", Status: "running", Buildkit: "v" + e.Version, Platforms: builderPlatform()},
				})
			}
			_, err := fmt.Fprintf(e.Stdout, "NAME/NODE     DRIVER/ENDPOINT   STATUS    BUILDKIT     PLATFORMS\ndefault*      docker\n \\_ default    \\_ default       running   v%-11s %s\n", e.Version, builderPlatform())
			return err
		}),
	}
}

func buildxInspectCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "Inspect current builder instance", ArgsUsage: "[NAME]",
		Flags: []cli.Flag{flags.Bool("bootstrap", nil, "Accepted for scripts: nothing has to be started"), flags.Text("builder", nil, "Override the configured builder instance: default")},
		Action: command.Takes(e, 0, 1, func(e *command.Env, c *cli.Context) error {
			name := c.Args().First()
			if name == "" {
				name = c.String("builder")
			}
			if err := checkBuilder(e, name); err != nil {
				return err
			}
			_, err := fmt.Fprintf(e.Stdout, "Name:   default\nDriver: docker\n\nNodes:\nName:             default\nEndpoint:         default\nStatus:           running\nBuildKit version: v%s\nPlatforms:        %s\n", e.Version, builderPlatform())
			return err
		}),
	}
}

func buildxUseCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "use", Usage: "Set the current builder instance", ArgsUsage: "NAME",
		Flags: []cli.Flag{
			flags.Text("builder", nil, "Override the configured builder instance: default"),
			flags.Bool("default", nil, "Set builder as default for current context"), flags.Bool("global", nil, "Builder persists context changes"),
		},
		Action: command.Takes(e, 1, 1, func(e *command.Env, c *cli.Context) error {
			return checkBuilder(e, c.Args().First())
		}),
	}
}

// checkBuilder refuses the name of any builder but the one there is.
func checkBuilder(e *command.Env, name string) error {
	if name == "" {
		name = os.Getenv("BUILDX_BUILDER")
	}
	if name == "" || name == command.DefaultContext {
		return nil
	}
	return command.Errorf("ERROR: no builder %q found: there is one builder, %s", name, command.DefaultContext)
}
