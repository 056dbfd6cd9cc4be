// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/buildcmd"
	"coracle/pkg/cli/command"
	"coracle/pkg/cli/containercmd"
	"coracle/pkg/cli/imagecmd"
	"coracle/pkg/cli/networkcmd"
	"coracle/pkg/cli/volumecmd"
)

// verb is a command, or a group of them, by its name and what makes it.
type verb struct {
	name string
	of   func(*command.Env) *cli.Command
}

// table is what is there for users, in the order of help.
func table() []verb {
	return []verb{
		{"run", containercmd.RunCommand},
		{"exec", containercmd.ExecCommand},
		{"ps", named(containercmd.PsCommand, "ps")},
		{"build", buildcmd.BuildCommand},
		{"pull", imagecmd.PullCommand},
		{"push", imagecmd.PushCommand},
		{"images", named(imagecmd.ImagesCommand, "images")},
		{"login", imagecmd.LoginCommand},
		{"logout", imagecmd.LogoutCommand},
		{"version", versionCommand},
		{"info", infoCommand},
		{"container", containerGroup},
		{"image", imageGroup},
		{"network", networkGroup},
		{"volume", volumeGroup},
		{"system", systemGroup},
		{"builder", builderGroup},
		{"buildx", buildcmd.BuildxCommand},
		{"context", contextCommand},
		{"doctor", doctorCommand},
		{"manifest", imagecmd.ManifestCommand},
		{"help", helpCommand},
		{"completion", completionCommand},
		{"attach", containercmd.AttachCommand},
		{"commit", imagecmd.CommitCommand},
		{"cp", containercmd.CpCommand},
		{"create", containercmd.CreateCommand},
		{"diff", containercmd.DiffCommand},
		{"events", eventsCommand},
		{"export", containercmd.ExportCommand},
		{"history", imagecmd.HistoryCommand},
		{"import", imagecmd.ImportCommand},
		{"inspect", inspectCommand},
		{"kill", containercmd.KillCommand},
		{"logs", containercmd.LogsCommand},
		{"port", containercmd.PortCommand},
		{"rename", containercmd.RenameCommand},
		{"restart", containercmd.RestartCommand},
		{"rm", func(e *command.Env) *cli.Command { return containercmd.RmCommand(e) }},
		{"rmi", named(imagecmd.RmiCommand, "rmi")},
		{"load", imagecmd.LoadCommand},
		{"save", imagecmd.SaveCommand},
		{"start", containercmd.StartCommand},
		{"stop", containercmd.StopCommand},
		{"tag", imagecmd.TagCommand},
		{"stats", containercmd.StatsCommand},
		{"top", containercmd.TopCommand},
		{"wait", containercmd.WaitCommand},
		{"pause", containercmd.PauseCommand},
		{"unpause", containercmd.UnpauseCommand},
		{"update", containercmd.UpdateCommand},
	}
}

// named makes a command that has another name in a group.
func named(of func(*command.Env, string, ...string) *cli.Command, name string) func(*command.Env) *cli.Command {
	return func(e *command.Env) *cli.Command { return of(e, name) }
}

// commands are all that there are.
func commands(e *command.Env) []*cli.Command {
	var list []*cli.Command
	for _, v := range table() {
		list = append(list, v.of(e))
	}
	return append(append(list, hiddenCommands(e)...), unsupportedCommands(e)...)
}

func containerGroup(e *command.Env) *cli.Command {
	return &cli.Command{Name: "container", Usage: "Manage containers", Subcommands: []*cli.Command{
		containercmd.AttachCommand(e), imagecmd.CommitCommand(e), containercmd.CpCommand(e), containercmd.CreateCommand(e),
		containercmd.DiffCommand(e), containercmd.ExecCommand(e), containercmd.ExportCommand(e), inspectContainerCommand(e),
		containercmd.KillCommand(e), containercmd.LogsCommand(e), containercmd.PsCommand(e, "ls", "list", "ps"),
		containercmd.PortCommand(e), containercmd.PruneContainersCommand(e), containercmd.RenameCommand(e),
		containercmd.RestartCommand(e), containercmd.RmCommand(e, "remove"), containercmd.RunCommand(e),
		containercmd.StartCommand(e), containercmd.StopCommand(e), containercmd.StatsCommand(e), containercmd.TopCommand(e),
		containercmd.WaitCommand(e), containercmd.PauseCommand(e), containercmd.UnpauseCommand(e), containercmd.UpdateCommand(e),
	}}
}

func imageGroup(e *command.Env) *cli.Command {
	return &cli.Command{Name: "image", Usage: "Manage images", Subcommands: []*cli.Command{
		buildcmd.BuildCommand(e), imagecmd.HistoryCommand(e), imagecmd.ImportCommand(e), inspectImageCommand(e),
		imagecmd.LoadCommand(e), imagecmd.ImagesCommand(e, "ls", "list"), imagecmd.PruneImagesCommand(e), imagecmd.PullCommand(e),
		imagecmd.PushCommand(e), imagecmd.RmiCommand(e, "rm", "remove", "rmi"), imagecmd.SaveCommand(e), imagecmd.TagCommand(e),
	}}
}

func networkGroup(e *command.Env) *cli.Command {
	return &cli.Command{Name: "network", Usage: "Manage networks", Subcommands: []*cli.Command{
		networkcmd.ConnectCommand(e), networkcmd.CreateCommand(e), networkcmd.DisconnectCommand(e), networkInspectCommand(e),
		networkcmd.ListCommand(e), networkcmd.PruneCommand(e), networkcmd.RemoveCommand(e),
	}}
}

func volumeGroup(e *command.Env) *cli.Command {
	return &cli.Command{Name: "volume", Usage: "Manage volumes", Subcommands: []*cli.Command{
		volumecmd.CreateCommand(e), volumeInspectCommand(e), volumecmd.ListCommand(e), volumecmd.PruneCommand(e),
		volumecmd.RemoveCommand(e), volumecmd.UpdateCommand(e),
	}}
}

func systemGroup(e *command.Env) *cli.Command {
	return &cli.Command{Name: "system", Usage: "Manage coracle", Subcommands: []*cli.Command{
		dfCommand(e), eventsCommand(e), infoCommand(e), pruneSystemCommand(e), dialStdioCommand(e),
	}}
}

func builderGroup(e *command.Env) *cli.Command {
	return &cli.Command{Name: "builder", Usage: "Manage builds", Subcommands: []*cli.Command{
		buildcmd.BuildCommand(e), buildcmd.BuildCacheCommand(e), buildcmd.PruneBuilderCommand(e),
	}}
}
