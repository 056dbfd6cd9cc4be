// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"coracle/pkg/cli/buildcmd"
	"coracle/pkg/cli/command"
	"coracle/pkg/cli/containercmd"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/imagecmd"
	"coracle/pkg/cli/networkcmd"
	"coracle/pkg/cli/ocicmd"
	"coracle/pkg/cli/volumecmd"
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
	if ns.Inside() {
		// Whoever writes the store tidies up before it ends. Elsewhere a signal
		// does what it always does, or the command sees to it.
		var stop func()
		ctx, stop = command.UntilSignal(ctx)
		defer stop()
		signal.Ignore(unix.SIGPIPE) // which does not end the init of a pid namespace
	} else {
		state.SettleHome()
	}
	trace.Mark("program started")
	if err := ns.CheckRoom(); err != nil {
		command.Tell(e, err)
		return 125
	}
	code := report(e, run(ctx, e))
	trace.Mark("command done")
	if err := e.Close(); err != nil && code == 0 {
		code = report(e, err)
	}
	if err := e.Stdout.Lost(); err != nil && code == 0 {
		if code = command.CodeOfPipe(err); code == 0 {
			code = report(e, command.Errorf("%v", err))
		}
	}
	var ended *command.SignalError
	if errors.As(context.Cause(ctx), &ended) {
		return 128 + int(ended.Signal)
	}
	return code
}

func run(ctx context.Context, e *command.Env) error {
	app := app(e)
	args, notes, err := flags.Arrange(app, e.Args)
	command.Note(e, notes)
	if err != nil {
		return err
	}
	return app.RunContext(ctx, append([]string{e.Program}, args...))
}

// app is the whole command line.
func app(e *command.Env) *cli.App {
	container := []*cli.Command{
		containercmd.AttachCommand(e), imagecmd.CommitCommand(e), containercmd.CpCommand(e), containercmd.CreateCommand(e), containercmd.DiffCommand(e), containercmd.ExecCommand(e), containercmd.ExportCommand(e), inspectContainerCommand(e), containercmd.KillCommand(e), containercmd.LogsCommand(e),
		containercmd.PsCommand(e, "ls", "list", "ps"), containercmd.PortCommand(e), containercmd.PruneContainersCommand(e), containercmd.RenameCommand(e), containercmd.RestartCommand(e),
		containercmd.RmCommand(e, "remove"), containercmd.RunCommand(e), containercmd.StartCommand(e), containercmd.StopCommand(e), containercmd.StatsCommand(e), containercmd.TopCommand(e), containercmd.WaitCommand(e), containercmd.PauseCommand(e),
		containercmd.UnpauseCommand(e), containercmd.UpdateCommand(e),
	}
	image := []*cli.Command{
		buildcmd.BuildCommand(e), imagecmd.HistoryCommand(e), imagecmd.ImportCommand(e), inspectImageCommand(e), imagecmd.LoadCommand(e), imagecmd.ImagesCommand(e, "ls", "list"),
		imagecmd.PruneImagesCommand(e), imagecmd.PullCommand(e), imagecmd.PushCommand(e), imagecmd.RmiCommand(e, "rm", "remove", "rmi"), imagecmd.SaveCommand(e), imagecmd.TagCommand(e),
	}
	volume := []*cli.Command{
		volumecmd.CreateCommand(e), volumeInspectCommand(e), volumecmd.ListCommand(e), volumecmd.PruneCommand(e), volumecmd.RemoveCommand(e), volumecmd.UpdateCommand(e),
	}
	network := []*cli.Command{
		networkcmd.ConnectCommand(e), networkcmd.CreateCommand(e), networkcmd.DisconnectCommand(e), networkInspectCommand(e), networkcmd.ListCommand(e), networkcmd.PruneCommand(e), networkcmd.RemoveCommand(e),
	}
	app := &cli.App{
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
		Commands: append([]*cli.Command{
			containercmd.RunCommand(e), containercmd.ExecCommand(e), containercmd.PsCommand(e, "ps"), buildcmd.BuildCommand(e), imagecmd.PullCommand(e), imagecmd.PushCommand(e),
			imagecmd.ImagesCommand(e, "images"), imagecmd.LoginCommand(e), imagecmd.LogoutCommand(e), versionCommand(e), infoCommand(e),
			{Name: "container", Usage: "Manage containers", Subcommands: container},
			{Name: "image", Usage: "Manage images", Subcommands: image},
			{Name: "network", Usage: "Manage networks", Subcommands: network},
			{Name: "volume", Usage: "Manage volumes", Subcommands: volume},
			{Name: "system", Usage: "Manage coracle", Subcommands: []*cli.Command{dfCommand(e), eventsCommand(e), infoCommand(e), pruneSystemCommand(e), dialStdioCommand(e)}},
			{Name: "builder", Usage: "Manage builds", Subcommands: []*cli.Command{buildcmd.BuildCommand(e), buildcmd.BuildCacheCommand(e), buildcmd.PruneBuilderCommand(e)}},
			buildcmd.BuildxCommand(e), contextCommand(e), doctorCommand(e), imagecmd.ManifestCommand(e), helpCommand(e), completionCommand(e),
			containercmd.AttachCommand(e), imagecmd.CommitCommand(e), containercmd.CpCommand(e), containercmd.CreateCommand(e), containercmd.DiffCommand(e), eventsCommand(e), containercmd.ExportCommand(e), imagecmd.HistoryCommand(e), imagecmd.ImportCommand(e), inspectCommand(e), containercmd.KillCommand(e),
			containercmd.LogsCommand(e), containercmd.PortCommand(e), containercmd.RenameCommand(e), containercmd.RestartCommand(e), containercmd.RmCommand(e), imagecmd.RmiCommand(e, "rmi"),
			imagecmd.LoadCommand(e), imagecmd.SaveCommand(e), containercmd.StartCommand(e), containercmd.StopCommand(e), imagecmd.TagCommand(e), containercmd.StatsCommand(e), containercmd.TopCommand(e), containercmd.WaitCommand(e), containercmd.PauseCommand(e),
			containercmd.UnpauseCommand(e), containercmd.UpdateCommand(e),
		}, append(hiddenCommands(e), unsupportedCommands(e)...)...),
	}
	hideHelp(app.Commands)
	return app
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
		{Name: "__commands", Hidden: true, Flags: []cli.Flag{flags.Bool("options", nil, "")}, Action: func(c *cli.Context) error {
			commandTable(e, c.Bool("options"))
			return nil
		}},
	}
}
