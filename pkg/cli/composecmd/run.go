// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/format"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/containercmd"
	"coracle/pkg/cli/flags"
	"coracle/pkg/compose"
	"coracle/pkg/compose/load"
	"coracle/pkg/container"
)

func run(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "Run a one-off command on a service", ArgsUsage: "SERVICE [COMMAND] [ARGS...]",
		Flags: []cli.Flag{
			flags.Bool("build", nil, "Build image before starting container"),
			flags.List("cap-add", nil, "Add Linux capabilities"),
			flags.List("cap-drop", nil, "Drop Linux capabilities"),
			flags.Bool("detach", flags.Short("d"), "Run container in background and print container ID"),
			flags.Text("entrypoint", nil, "Override the entrypoint of the image"),
			flags.List("env", flags.Short("e"), "Set environment variables"),
			&cli.BoolFlag{Name: "interactive", Aliases: flags.Short("i"), Value: true, Usage: "Keep STDIN open even if not attached"},
			flags.List("label", flags.Short("l"), "Add or override a label"),
			flags.Text("name", nil, "Assign a name to the container"),
			flags.Bool("no-deps", nil, "Don't start linked services"),
			flags.Bool("no-TTY", []string{"T", "no-tty"}, "Disable pseudo-TTY allocation (default: auto-detected)"),
			flags.List("publish", flags.Short("p"), "Publish a container's port(s) to the host"),
			flags.Text("pull", nil, "Pull image before running (\"always\"|\"missing\"|\"never\")"),
			flags.Bool("quiet", flags.Short("q"), "Don't print anything to STDOUT"),
			flags.Bool("quiet-build", nil, "Suppress progress output from the build process"),
			flags.Bool("quiet-pull", nil, "Pull without printing progress information"),
			flags.Bool("remove-orphans", nil, "Remove containers for services not defined in the Compose file"),
			flags.Bool("rm", nil, "Automatically remove the container when it exits"),
			flags.Bool("service-ports", []string{"P"}, "Run command with all service's ports enabled and mapped to the host"),
			flags.Bool("tty", flags.Short("t"), "Allocate a pseudo-TTY (the default)"),
			flags.Bool("use-aliases", nil, "Use the service's network useAliases in the network(s) the container connects to"),
			flags.Text("user", flags.Short("u"), "Run as specified username or uid"),
			flags.List("volume", flags.Short("v"), "Bind mount a volume"),
			flags.Text("workdir", flags.Short("w"), "Working directory inside the container"),
		},
		Action: command.Takes(e, 1, -1, func(e *command.Env, c *cli.Context) error {
			s, err := newSession(e, c)
			if err != nil {
				return err
			}
			return s.failed(runRun(c.Context, s))
		}),
	}
}

func runRun(ctx context.Context, s *session) error {
	name := s.c.Args().First()
	c, err := s.makeRun(ctx, name)
	if err != nil {
		return err
	}
	cs := container.NewStore(s.engine.Dirs)
	if s.c.Bool("detach") {
		if err := containercmd.StartDetached(ctx, s.Env, cs, c); err != nil {
			return err
		}
		fmt.Fprintln(s.Stdout, c.Name)
		return nil
	}
	return containercmd.RunAttached(ctx, s.Env, cs, c)
}

// makeRun makes the container of a run, once what its service depends on is there.
func (s *session) makeRun(ctx context.Context, name string) (*container.Container, error) {
	until, stop := command.UntilSignal(ctx)
	defer stop()
	p, err := load.Project(until, s.options())
	if err != nil {
		return nil, err
	}
	if p, err = load.Select(p, []string{name}, s.c.Bool("no-deps")); err != nil {
		return nil, err
	}
	sv := p.Services[name]
	if err := s.override(&sv); err != nil {
		return nil, err
	}
	if s.c.Bool("quiet-build") {
		s.engine.Built = nil
	}
	images := compose.ImageChoices{Pull: s.c.String("pull"), Build: s.c.Bool("build"), Quiet: s.c.Bool("quiet-pull")}
	has, err := s.engine.Prepare(until, p, name, compose.UpChoices{
		Image:         images,
		Choices:       compose.Choices{ReadFile: readFile, RemoveOrphans: s.c.Bool("remove-orphans")},
		IgnoreOrphans: truth("COMPOSE_IGNORE_ORPHANS"),
	})
	s.show.close()
	if err != nil {
		return nil, err
	}
	facts, err := s.engine.Images(until, &types.Project{Name: p.Name, Services: types.Services{name: sv}, Environment: p.Environment, WorkingDir: p.WorkingDir, Secrets: p.Secrets}, images)
	s.show.close()
	if err != nil {
		return nil, err
	}
	return s.engine.MakeOneoff(until, p, sv, has, compose.Oneoff{
		Name: s.c.String("name"), Labels: pairs(s.c.StringSlice("label")), AutoRemove: s.c.Bool("rm"), UseAliases: s.c.Bool("use-aliases"),
		Attach: !s.c.Bool("detach"), Images: facts, ReadFile: readFile,
	})
}

// override changes the service as the command line says.
func (s *session) override(sv *types.ServiceConfig) error {
	f := s.c
	sv.Tty = !f.Bool("no-TTY") && !f.Bool("detach") && command.IsTerminal(s.Stdout) && command.IsTerminal(s.Stdin)
	sv.StdinOpen = f.Bool("interactive") && !f.Bool("detach")
	sv.Restart, sv.Scale, sv.ContainerName = "", nil, ""
	if sv.Deploy != nil {
		d := *sv.Deploy
		d.RestartPolicy = nil
		sv.Deploy = &d
	}
	if args := f.Args().Tail(); len(args) > 0 {
		sv.Command = args
	}
	if f.IsSet("entrypoint") {
		words := strings.Fields(f.String("entrypoint"))
		sv.Entrypoint = words
		if f.Args().Len() < 2 {
			sv.Command = []string{}
		}
	}
	if u := f.String("user"); u != "" {
		sv.User = u
	}
	if w := f.String("workdir"); w != "" {
		sv.WorkingDir = w
	}
	sv.CapAdd, sv.CapDrop = append(slices.Clone(sv.CapAdd), f.StringSlice("cap-add")...), append(slices.Clone(sv.CapDrop), f.StringSlice("cap-drop")...)
	env := types.MappingWithEquals{}
	for k, v := range sv.Environment {
		env[k] = v
	}
	for k, v := range pairs(f.StringSlice("env")) {
		env[k] = &v
	}
	sv.Environment = env
	if !f.Bool("service-ports") {
		sv.Ports = nil
	}
	for _, spec := range f.StringSlice("publish") {
		ports, err := types.ParsePortConfig(spec)
		if err != nil {
			return err
		}
		sv.Ports = append(sv.Ports, ports...)
	}
	for _, spec := range f.StringSlice("volume") {
		v, err := format.ParseVolume(spec)
		if err != nil {
			return err
		}
		sv.Volumes = append(slices.Clone(sv.Volumes), v)
	}
	return nil
}
