// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/ocicmd"
	"coracle/pkg/doctor"
	"coracle/pkg/ns"
	"coracle/pkg/state"
	"coracle/pkg/trace"
)

// Version is set by the linker.
var Version = "0.1.0-dev"

// Main runs one command line and returns the exit code.
func Main(ctx context.Context, call command.Call) int {
	e := &command.Env{
		Program: command.ProgramName(call.Argv0), Args: call.Args, Umask: call.Umask, Version: Version,
		Stdin: os.Stdin, Stdout: &command.Output{File: os.Stdout}, Stderr: os.Stderr,
	}
	if filepath.Base(call.Argv0) == "docker-compose" { // by a link of that name
		e.Program, e.Args = "docker", append([]string{"compose"}, call.Args...)
	}
	state.SettleHome()
	trace.Mark("program started")
	if err := ns.CheckRoom(); err != nil {
		command.Tell(e, err)
		return 125
	}
	code := Run(ctx, e)
	trace.Mark("command done")
	if err := e.Stdout.Lost(); err != nil && code == 0 {
		code = report(e, command.Errorf("%v", err))
	}
	return code
}

// Run carries out e's command line, tells what went wrong and returns the exit code.
func Run(ctx context.Context, e *command.Env) int { return report(e, run(ctx, e)) }

func run(ctx context.Context, e *command.Env) error {
	app := appFor(e, e.Args)
	args, notes, err := flags.Arrange(app, e.Args)
	command.Note(e, notes)
	if err != nil {
		return err
	}
	return app.RunContext(ctx, append([]string{e.Program}, args...))
}

// app is the whole command line.
func app(e *command.Env) *cli.App { return appWith(e, commands(e)) }

// appFor is enough of it for some arguments: where they begin with a command,
// that one. To make all 90 takes 0.3 ms.
func appFor(e *command.Env, args []string) *cli.App {
	if len(args) > 0 {
		for _, v := range table() {
			if v.name == args[0] {
				return appWith(e, []*cli.Command{v.of(e)})
			}
		}
	}
	return app(e)
}

func appWith(e *command.Env, commands []*cli.Command) *cli.App {
	hideHelp(commands)
	return &cli.App{
		Name: e.Program, Usage: "a container engine without a daemon and without root",
		HideHelp: true, HideVersion: true, HideHelpCommand: true,
		DisableSliceFlagSeparator: true,
		Writer:                    e.Stdout, ErrWriter: e.Stderr,
		ExitErrHandler: func(*cli.Context, error) {}, // report does it
		OnUsageError: func(_ *cli.Context, err error, _ bool) error {
			return &flags.UsageError{Message: err.Error(), Code: 125}
		},
		Flags:  programFlags(),
		Before: func(c *cli.Context) error { return before(e, c) },
		Action: func(c *cli.Context) error {
			if c.Bool("version") {
				_, err := fmt.Fprintln(e.Stdout, versionLine(e))
				return err
			}
			return &flags.HelpRequest{Bare: true}
		},
		Commands: commands,
	}
}

// hideHelp keeps the library from adding a flag -h of its own: it is the
// hostname in run, and --help has been seen to by arrange.
func hideHelp(cmds []*cli.Command) {
	for _, c := range cmds {
		c.HideHelp = true
		hideHelp(c.Subcommands)
	}
}

// hiddenCommands are what coracle asks of itself.
func hiddenCommands(e *command.Env) []*cli.Command {
	return []*cli.Command{
		ocicmd.Command(e), completeCommand(e),
		{Name: "__commands", Hidden: true, Flags: []cli.Flag{flags.Bool("options", nil, ""), flags.Bool("abilities", nil, ""), flags.Bool("endpoints", nil, "")}, Action: func(c *cli.Context) error {
			if c.Bool("abilities") {
				_, err := io.WriteString(e.Stdout, doctor.Markdown())
				return err
			}
			commandTable(e, c.Bool("options"), c.Bool("endpoints"))
			return nil
		}},
	}
}
