// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/containercmd"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/imagecmd"
	"coracle/pkg/cli/networkcmd"
	"coracle/pkg/cli/volumecmd"
	"coracle/pkg/docker"
	"coracle/pkg/oci"
)

func inspectCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "Return low-level information on Docker objects", ArgsUsage: "NAME|ID [NAME|ID...]", Flags: command.InspectFlags(),
		Action: func(c *cli.Context) error { return inspectAny(e, c) },
	}
}

func inspectContainerCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "Display detailed information on one or more containers", ArgsUsage: "CONTAINER [CONTAINER...]", Flags: command.InspectFlags()[:2],
		Action: func(c *cli.Context) error { return runInspect(e, c, "container") },
	}
}

func inspectImageCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "Display detailed information on one or more images", ArgsUsage: "IMAGE [IMAGE...]",
		Flags: append(command.InspectFlags()[:1], flags.Text("platform", nil, "Inspect a specific platform of the multi-platform image: an image here has one")),
		Action: func(c *cli.Context) error {
			if err := imagecmd.PlatformCheck(e, c, c.Args().Slice()...); err != nil {
				return err
			}
			return runInspect(e, c, "image")
		},
	}
}

// inspectTypes are the values of --type: the kinds that there are, in the order
// in which they are tried, and those of a swarm, which there is not.
var (
	inspectTypes = []string{"container", "image", "network", "volume"}
	swarmTypes   = []string{"config", "node", "plugin", "secret", "service", "task"}
)

func inspectAny(e *command.Env, c *cli.Context) error {
	kind := c.String("type")
	all := `"` + strings.Join(slices.Sorted(slices.Values(slices.Concat(inspectTypes, swarmTypes))), `", "`) + `"`
	switch {
	case c.IsSet("type") && kind == "":
		return command.Errorf("type is empty: must be one of %s", all)
	case slices.Contains(swarmTypes, kind):
		return fmt.Errorf("--type %s is not supported: there is no swarm, and there are no plugins", kind)
	case kind != "" && !slices.Contains(inspectTypes, kind):
		return command.Errorf("unknown type: %q: must be one of %s", kind, all)
	}
	return runInspect(e, c, kind)
}

// runInspect prints what was found, then says what was not.
func runInspect(e *command.Env, c *cli.Context, kind string) error {
	if err := command.NeedArgs(e, c, 1, -1); err != nil {
		return err
	}
	return command.PrintAnswers(e, c.String("format"), c.Args().Slice(), func(arg string) (any, error) {
		return find(c.Context, e, arg, kind, c.Bool("size"))
	})
}

// find looks an object up among the kinds, containers first.
func find(ctx context.Context, e *command.Env, arg, kind string, size bool) (any, error) {
	for _, k := range inspectTypes {
		if kind != "" && kind != k {
			continue
		}
		answer, err := findOne(ctx, e, k, arg, size)
		if kind == "" && (docker.Missing(err) || errors.Is(err, oci.ErrInvalidReference)) {
			continue
		}
		if err == nil && size && k != "container" {
			fmt.Fprintln(e.Stderr, "WARNING: --size ignored for "+k)
		}
		return answer, err
	}
	return nil, command.Errorf("error: no such object: %s", arg)
}

func findOne(ctx context.Context, e *command.Env, kind, arg string, size bool) (any, error) {
	switch kind {
	case "container":
		return containercmd.Inspect(ctx, e, arg, size)
	case "image":
		return imagecmd.Inspect(e, arg)
	case "network":
		return networkcmd.Inspect(ctx, e, arg)
	}
	return volumecmd.Inspect(e, arg)
}

func volumeInspectCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "Display detailed information on one or more volumes", ArgsUsage: "VOLUME [VOLUME...]", Flags: command.InspectFlags()[:1],
		Action: func(c *cli.Context) error { return runInspect(e, c, "volume") },
	}
}

func networkInspectCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "Display detailed information on one or more networks", ArgsUsage: "NETWORK [NETWORK...]",
		Flags:  []cli.Flag{flags.Text("format", flags.Short("f"), "Format output using a custom template"), flags.Bool("verbose", flags.Short("v"), "Verbose output for diagnostics")},
		Action: func(c *cli.Context) error { return runInspect(e, c, "network") },
	}
}
