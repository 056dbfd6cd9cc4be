// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	drawing "coracle/pkg/cli/progress"
	"coracle/pkg/compose"
	"coracle/pkg/compose/load"
)

// Compose is the group compose: define and run multi-container applications.
func Compose(e *command.Env) *cli.Command {
	group := &cli.Command{
		Name: "compose", Usage: "Define and run multi-container applications", Flags: groupFlags(),
		Subcommands: []*cli.Command{
			attach(e), build(e), commit(e), config(e), cp(e), create(e), down(e), events(e), execute(e), export(e), images(e), install(e), kill(e), logs(e),
			ls(e), pause(e), port(e), ps(e), publish(e), pull(e), push(e), restart(e), rm(e), run(e), scale(e), start(e), stats(e), status(e), stop(e), top(e),
			uninstall(e), unpause(e), up(e), version(e), viz(e), volumes(e), wait(e), watch(e),
		},
	}
	for _, c := range group.Subcommands { // it may stand after the verb, too
		c.Flags = append(c.Flags, &cli.BoolFlag{Name: "dry-run", Usage: "Execute command in dry run mode", Hidden: true})
	}
	return group
}

func groupFlags() []cli.Flag {
	return []cli.Flag{
		flags.Bool("all-resources", nil, "Include all resources, even those not used by services"),
		flags.Text("ansi", nil, "Control when to print ANSI control characters (\"never\"|\"always\"|\"auto\")"),
		flags.Bool("compatibility", nil, "Run compose in backward compatibility mode"),
		flags.Bool("dry-run", nil, "Execute command in dry run mode: up and create say what they would do"),
		flags.List("env-file", nil, "Specify an alternate environment file"),
		flags.List("file", flags.Short("f"), "Compose configuration files"),
		&cli.IntFlag{Name: "parallel", Usage: "Control max parallelism, -1 for unlimited", Value: -1},
		flags.List("profile", nil, "Specify a profile to enable"),
		flags.Text("progress", nil, "Set type of progress output (auto, tty, plain, json, quiet)"),
		flags.Text("project-directory", nil, "Specify an alternate working directory (default: the path of the, first specified, Compose file)"),
		flags.Text("project-name", flags.Short("p"), "Project name"),
	}
}

// session is what a verb works with.
type session struct {
	*command.Env
	c      *cli.Context
	engine *compose.Engine
	show   *progress
}

// verb is the action of a verb that takes so many arguments. A signal ends its
// context, and then the program with 130, as docker compose does.
func verb(e *command.Env, least, most int, do func(context.Context, *session) error) cli.ActionFunc {
	return command.Takes(e, least, most, func(e *command.Env, c *cli.Context) error {
		ctx, stop := command.UntilSignal(c.Context)
		defer stop()
		s, err := newSession(e, c)
		if err != nil {
			return err
		}
		err = s.failed(do(ctx, s))
		if ctx.Err() != nil && err != nil {
			return command.Exit(interrupted)
		}
		return err
	})
}

// dry are the verbs that say what they would do, and those that change nothing.
var dry = []string{"config", "convert", "create", "events", "images", "logs", "ls", "port", "ps", "stats", "status", "top", "up", "version", "viz", "volumes"}

// dryRun reports whether --dry-run stands before the verb or after it.
func dryRun(c *cli.Context) bool {
	return slices.ContainsFunc(c.Lineage(), func(of *cli.Context) bool { return of.Bool("dry-run") })
}

// interrupted is the exit code of a verb that a signal has ended.
const interrupted = 130

func newSession(e *command.Env, c *cli.Context) (*session, error) {
	d, err := e.Open()
	if err != nil {
		return nil, err
	}
	if name := c.Command.Name; dryRun(c) && !slices.Contains(dry, name) {
		return nil, command.Errorf("--dry-run is not supported by %s: up and create have it", name)
	}
	if n := c.Int("parallel"); n > 0 {
		_ = os.Setenv("COMPOSE_PARALLEL_LIMIT", strconv.Itoa(n))
	}
	s := &session{Env: e, c: c}
	if s.show, err = newProgress(e, c); err != nil {
		return nil, err
	}
	s.engine = &compose.Engine{Dirs: d, Access: command.Access(e), Tell: s.show.event, Warn: s.warn, Built: s.show.built}
	if command.IsTerminal(e.Stderr) && s.show.mode == "plain" {
		s.engine.Pulled = drawing.NewTransfer(e.Stderr).Event
	}
	return s, nil
}

// warn says something once, in the form that docker compose's logger has.
func (s *session) warn(message string) {
	s.show.once(fmt.Sprintf("time=%q level=warning msg=%q", time.Now().Format(time.RFC3339), message), message)
}

func (s *session) options() load.Options {
	c := s.c
	return load.Options{
		Files: c.StringSlice("file"), Dir: c.String("project-directory"), Name: c.String("project-name"), Profiles: c.StringSlice("profile"),
		EnvFiles: c.StringSlice("env-file"), Warn: s.warn,
	}
}

// project reads the project, with the services that are named and what they need.
func (s *session) project(ctx context.Context, services []string, alone bool) (*types.Project, error) {
	p, err := load.Project(ctx, s.options())
	if err != nil {
		return nil, err
	}
	return load.Select(p, services, alone)
}

// projectOrName reads the project where files are given or no name is; else only the
// name is known.
func (s *session) projectOrName(ctx context.Context) (*types.Project, string, error) {
	o := s.options()
	if o.Name != "" && len(o.Files) == 0 {
		name, err := load.Name(ctx, o)
		return nil, name, err
	}
	p, err := load.Project(ctx, o)
	if err != nil {
		if name := os.Getenv("COMPOSE_PROJECT_NAME"); name != "" {
			return nil, name, nil
		}
		return nil, "", err
	}
	return p, p.Name, nil
}

// services are the arguments, which have to be services of the project, or of which
// there are containers where there is no file.
func (s *session) services(p *types.Project, has compose.Observed) ([]string, error) {
	names := s.c.Args().Slice()
	for _, name := range names {
		_, there := has.Services[name]
		if p != nil {
			_, on := p.Services[name]
			_, off := p.DisabledServices[name]
			there = there || on || off
		}
		if !there {
			return nil, fmt.Errorf("no such service: %s", name)
		}
	}
	return names, nil
}

// observed is what there is of the project of this command line: all of it, and the
// services that were named.
func (s *session) observed(ctx context.Context) (p *types.Project, has compose.Observed, services []string, err error) {
	p, name, err := s.projectOrName(ctx)
	if err != nil {
		return nil, has, nil, err
	}
	if has, err = s.engine.Observe(name); err != nil {
		return nil, has, nil, err
	}
	services, err = s.services(p, has)
	return p, has, services, err
}

// there is what there is of the project of this command line, whatever services are
// named.
func (s *session) there(ctx context.Context) (compose.Observed, error) {
	_, name, err := s.projectOrName(ctx)
	if err != nil {
		return compose.Observed{}, err
	}
	return s.engine.Observe(name)
}

// printJSON writes a value on a line.
func (s *session) printJSON(v any) error {
	line, err := json.Marshal(v)
	if err == nil {
		fmt.Fprintf(s.Stdout, "%s\n", line)
	}
	return err
}

func readFile(path string) ([]byte, error) { return os.ReadFile(filepath.Clean(path)) }

// timeout is the value of --timeout, or nil.
func timeout(c *cli.Context) *int {
	if !c.IsSet("timeout") {
		return nil
	}
	n := c.Int("timeout")
	return &n
}

func timeoutFlag() cli.Flag {
	return &cli.IntFlag{Name: "timeout", Aliases: flags.Short("t"), Usage: "Specify a shutdown timeout in seconds"}
}

// truth reads a variable that is on or off.
func truth(name string) bool {
	v, _ := strconv.ParseBool(os.Getenv(name))
	return v
}

// pairs reads KEY=VALUE arguments.
func pairs(list []string) map[string]string {
	all := map[string]string{}
	for _, kv := range list {
		k, v, ok := strings.Cut(kv, "=")
		if !ok {
			v = os.Getenv(k)
		}
		all[k] = v
	}
	return all
}

func contains(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }
