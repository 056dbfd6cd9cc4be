// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/containercmd"
	"coracle/pkg/cli/flags"
	"coracle/pkg/compose"
)

func up(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "up", Usage: "Create and start containers", ArgsUsage: "[SERVICE...]",
		Flags: append(makeFlags(),
			flags.Bool("abort-on-container-exit", nil, "Stops all containers if any container was stopped"),
			flags.Bool("abort-on-container-failure", nil, "Stops all containers if any container exited with failure"),
			flags.List("attach", nil, "Restrict attaching to the specified services"),
			flags.Bool("attach-dependencies", nil, "Automatically attach to log output of dependent services"),
			flags.Bool("detach", flags.Short("d"), "Detached mode: Run containers in the background"),
			flags.Text("exit-code-from", nil, "Return the exit code of the selected service container. Implies --abort-on-container-exit"),
			flags.Bool("menu", nil, "Enable interactive shortcuts when running attached (has no effect)"),
			flags.List("no-attach", nil, "Do not attach (stream logs) to the specified services"),
			flags.Bool("no-color", nil, "Produce monochrome output"),
			flags.Bool("no-deps", nil, "Don't start linked services"),
			flags.Bool("no-log-prefix", nil, "Don't print prefix in logs"),
			flags.Bool("no-start", nil, "Don't start the services after creating them"),
			flags.Bool("renew-anon-volumes", flags.Short("V"), "Recreate anonymous volumes instead of retrieving data from the previous containers"),
			timeoutFlag(),
			flags.Bool("timestamps", nil, "Show timestamps"),
			flags.Bool("wait", nil, "Wait for services to be running|healthy. Implies detached mode"),
			flags.Bool("watch", flags.Short("w"), "Watch source code and rebuild/refresh containers when files are updated."),
			&cli.IntFlag{Name: "wait-timeout", Usage: "Maximum duration in seconds to wait for the project to be running|healthy"},
		),
		Action: func(c *cli.Context) error {
			s, err := newSession(e, c)
			if err != nil {
				return err
			}
			return s.failed(runUp(c.Context, s))
		},
	}
}

// makeFlags are those of up and create.
func makeFlags() []cli.Flag {
	return []cli.Flag{
		flags.Bool("always-recreate-deps", nil, "Recreate dependent containers. Incompatible with --no-recreate"),
		flags.Bool("build", nil, "Build images before starting containers"),
		flags.Bool("force-recreate", nil, "Recreate containers even if their configuration and image haven't changed"),
		flags.Bool("no-build", nil, "Don't build an image, even if it's policy"),
		flags.Bool("no-recreate", nil, "If containers already exist, don't recreate them. Incompatible with --force-recreate"),
		flags.Text("pull", nil, "Pull image before running (\"always\"|\"missing\"|\"never\"|\"build\")"),
		flags.Bool("quiet-build", nil, "Suppress the build output"),
		flags.Bool("quiet-pull", nil, "Pull without printing progress information"),
		flags.Bool("remove-orphans", nil, "Remove containers for services not defined in the Compose file"),
		flags.List("scale", nil, "Scale SERVICE to NUM instances. Overrides the scale setting in the Compose file if present"),
		flags.Bool("yes", flags.Short("y"), "Assume \"yes\" as answer to all prompts and run non-interactively"),
	}
}

// upChoices reads those.
func (s *session) upChoices() (c compose.UpChoices, err error) {
	f := s.c
	switch {
	case f.Bool("force-recreate") && f.Bool("no-recreate"):
		return c, errors.New("--force-recreate and --no-recreate are incompatible")
	case f.Bool("always-recreate-deps") && f.Bool("no-recreate"):
		return c, errors.New("--always-recreate-deps and --no-recreate are incompatible")
	case f.Bool("build") && f.Bool("no-build"):
		return c, errors.New("--build and --no-build are incompatible")
	case f.Bool("force-recreate"):
		c.Recreate = compose.Always
	case f.Bool("no-recreate"):
		c.Recreate, c.Dependencies = compose.Never, compose.Never
	}
	if f.Bool("always-recreate-deps") {
		c.Dependencies = compose.Always
	}
	if f.Bool("quiet-build") {
		s.engine.Built = nil
	}
	c.Services, c.ReadFile = f.Args().Slice(), readFile
	c.RemoveOrphans = f.Bool("remove-orphans") || truth("COMPOSE_REMOVE_ORPHANS")
	c.RenewVolumes = f.Bool("renew-anon-volumes")
	c.Timeout = timeout(f)
	c.IgnoreOrphans = truth("COMPOSE_IGNORE_ORPHANS")
	c.Image = compose.ImageChoices{Build: f.Bool("build"), NoBuild: f.Bool("no-build"), Quiet: f.Bool("quiet-pull")}
	switch pull := f.String("pull"); pull {
	case "", "always", "missing", "never":
		c.Image.Pull = pull
	case "build":
		c.Image.Build = true
	default:
		return c, fmt.Errorf("invalid --pull option %q", pull)
	}
	return c, nil
}

// setScale applies --scale.
func setScale(p *types.Project, list []string) error {
	for _, v := range list {
		name, number, ok := strings.Cut(v, "=")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || n < 0 {
			return fmt.Errorf("invalid --scale option %q. Should be SERVICE=NUM", v)
		}
		s, ok := p.Services[name]
		if !ok {
			return fmt.Errorf("no such service: %s", name)
		}
		s.SetScale(n)
		p.Services[name] = s
	}
	return nil
}

func runUp(ctx context.Context, s *session) error {
	f := s.c
	abort := f.Bool("abort-on-container-exit") || f.Bool("abort-on-container-failure") || f.String("exit-code-from") != ""
	detached := f.Bool("detach") || f.Bool("wait") || f.Bool("no-start")
	switch watch := f.Bool("watch"); {
	case detached && (abort || watch || f.Bool("attach-dependencies") || len(f.StringSlice("attach")) > 0):
		how := "--detach"
		if f.Bool("wait") {
			how = "--wait"
		}
		return fmt.Errorf("%s cannot be combined with --abort-on-container-exit, --abort-on-container-failure, --attach, --attach-dependencies or --watch", how)
	case watch && f.Bool("no-build"):
		return errors.New("--no-build and --watch are incompatible")
	}
	c, err := s.upChoices()
	if err != nil {
		return err
	}
	until, stop := command.UntilSignal(ctx)
	defer stop()
	p, err := s.project(until, c.Services, f.Bool("no-deps"))
	if err != nil {
		return err
	}
	if err := setScale(p, f.StringSlice("scale")); err != nil {
		return err
	}
	if dryRun(f) {
		return s.preview(until, p, c, !f.Bool("no-start"))
	}
	if f.Bool("watch") && !compose.CanDevelop(p) {
		return errors.New("none of the selected services is configured for watch, see https://docs.docker.com/compose/how-tos/file-watch/")
	}
	if others := slices.DeleteFunc(slices.Clone(f.StringSlice("attach")), func(name string) bool { return slices.Contains(p.ServiceNames(), name) }); len(others) > 0 {
		return fmt.Errorf("cannot attach to services not included in up: %s", join(others))
	}
	if from := f.String("exit-code-from"); from != "" {
		if _, ok := p.Services[from]; !ok {
			return fmt.Errorf("no such service: %s", from)
		}
	}
	c.Start = !f.Bool("no-start")
	has, err := s.engine.Create(until, p, c)
	s.show.close()
	s.tellOfBoot(has)
	switch {
	case err != nil && until.Err() != nil:
		return command.Exit(interrupted)
	case err != nil || f.Bool("no-start"):
		return err
	case detached:
		if err := s.startAndWait(until, p, has); until.Err() != nil {
			return command.Exit(interrupted)
		} else {
			return err
		}
	}
	stop() // from here signals are the foreground's
	return s.foreground(ctx, p, has)
}

// preview says what up would do, or without starts what create would do.
func (s *session) preview(ctx context.Context, p *types.Project, c compose.UpChoices, starts bool) error {
	plan, err := s.engine.Preview(ctx, p, c)
	if err != nil {
		return err
	}
	text := plan.String()
	if starts {
		after, err := plan.Starts(p)
		if err != nil {
			return err
		}
		text += after
	}
	for line := range strings.Lines(text) {
		fmt.Fprint(s.Stderr, "DRY-RUN MODE - "+line)
	}
	return nil
}

// tellOfBoot says once what a restart policy needs when the host was started.
func (s *session) tellOfBoot(has compose.Observed) {
	for _, c := range has.Containers() {
		containercmd.TellOfBoot(s.Env, c)
	}
}

// startAndWait is up -d, and up --wait.
func (s *session) startAndWait(ctx context.Context, p *types.Project, has compose.Observed) error {
	if n := s.c.Int("wait-timeout"); n > 0 && s.c.Bool("wait") {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, time.Duration(n)*time.Second, errors.New("timeout waiting for services to be running|healthy"))
		defer cancel()
	}
	watch := s.engine.NewWatch(ctx)
	if err := s.engine.Start(ctx, p, has, watch, nil); err != nil {
		return err
	}
	if !s.c.Bool("wait") {
		return nil
	}
	return s.engine.AwaitRunning(ctx, p, has, watch)
}
