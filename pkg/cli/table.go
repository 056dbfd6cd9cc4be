// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/apicmd"
	"coracle/pkg/cli/buildcmd"
	"coracle/pkg/cli/command"
	"coracle/pkg/cli/composecmd"
	"coracle/pkg/cli/containercmd"
	"coracle/pkg/cli/imagecmd"
	"coracle/pkg/cli/kubecmd"
	"coracle/pkg/cli/networkcmd"
	"coracle/pkg/cli/systemdcmd"
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
		{"run", containercmd.Run},
		{"exec", containercmd.Exec},
		{"ps", named(containercmd.Ps, "ps")},
		{"build", buildcmd.Build},
		{"pull", imagecmd.Pull},
		{"push", imagecmd.Push},
		{"images", named(imagecmd.Images, "images")},
		{"login", imagecmd.Login},
		{"logout", imagecmd.Logout},
		{"search", imagecmd.Search},
		{"version", versionCommand},
		{"info", infoCommand},
		{"container", containerGroup},
		{"image", imageGroup},
		{"network", networkGroup},
		{"volume", volumeGroup},
		{"system", systemGroup},
		{"compose", composecmd.Compose},
		{"builder", builderGroup},
		{"buildx", buildcmd.Buildx},
		{"context", contextCommand},
		{"api", apicmd.API},
		{"doctor", doctorCommand},
		{"systemd", systemdcmd.Systemd},
		{"quadlet", systemdcmd.Quadlet},
		{"kube", kubecmd.Kube},
		{"manifest", imagecmd.Manifest},
		{"help", helpCommand},
		{"completion", completionCommand},
		{"attach", containercmd.Attach},
		{"commit", imagecmd.Commit},
		{"cp", containercmd.Cp},
		{"create", containercmd.Create},
		{"diff", containercmd.Diff},
		{"events", eventsCommand},
		{"export", containercmd.Export},
		{"history", imagecmd.History},
		{"import", imagecmd.Import},
		{"inspect", inspectCommand},
		{"kill", containercmd.Kill},
		{"logs", containercmd.Logs},
		{"port", containercmd.Port},
		{"rename", containercmd.Rename},
		{"restart", containercmd.Restart},
		{"rm", func(e *command.Env) *cli.Command { return containercmd.Rm(e) }},
		{"rmi", named(imagecmd.Rmi, "rmi")},
		{"load", imagecmd.Load},
		{"save", imagecmd.Save},
		{"start", containercmd.Start},
		{"stop", containercmd.Stop},
		{"tag", imagecmd.Tag},
		{"stats", containercmd.Stats},
		{"top", containercmd.Top},
		{"wait", containercmd.Wait},
		{"pause", containercmd.Pause},
		{"unpause", containercmd.Unpause},
		{"update", containercmd.Update},
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
		containercmd.Attach(e), imagecmd.Commit(e), containercmd.Cp(e), containercmd.Create(e),
		containercmd.Diff(e), containercmd.Exec(e), containercmd.Export(e), inspectContainerCommand(e),
		containercmd.Kill(e), containercmd.Logs(e), containercmd.Ps(e, "ls", "list", "ps"),
		containercmd.Port(e), containercmd.Prune(e), containercmd.Rename(e),
		containercmd.Restart(e), containercmd.Rm(e, "remove"), containercmd.Run(e),
		containercmd.Start(e), containercmd.Stop(e), containercmd.Stats(e), containercmd.Top(e),
		containercmd.Wait(e), containercmd.Pause(e), containercmd.Unpause(e), containercmd.Update(e),
	}}
}

func imageGroup(e *command.Env) *cli.Command {
	return &cli.Command{Name: "image", Usage: "Manage images", Subcommands: []*cli.Command{
		buildcmd.Build(e), imagecmd.History(e), imagecmd.Import(e), inspectImageCommand(e),
		imagecmd.Load(e), imagecmd.Images(e, "ls", "list"), imagecmd.Prune(e), imagecmd.Pull(e),
		imagecmd.Push(e), imagecmd.Rmi(e, "rm", "remove", "rmi"), imagecmd.Save(e), imagecmd.Tag(e),
	}}
}

func networkGroup(e *command.Env) *cli.Command {
	return &cli.Command{Name: "network", Usage: "Manage networks", Subcommands: []*cli.Command{
		networkcmd.Connect(e), networkcmd.Create(e), networkcmd.Disconnect(e), networkInspectCommand(e),
		networkcmd.List(e), networkcmd.Prune(e), networkcmd.Remove(e),
	}}
}

func volumeGroup(e *command.Env) *cli.Command {
	return &cli.Command{Name: "volume", Usage: "Manage volumes", Subcommands: []*cli.Command{
		volumecmd.Create(e), volumeInspectCommand(e), volumecmd.List(e), volumecmd.Prune(e),
		volumecmd.Remove(e), volumecmd.Update(e),
	}}
}

func systemGroup(e *command.Env) *cli.Command {
	return &cli.Command{Name: "system", Usage: "Manage coracle", Subcommands: []*cli.Command{
		dfCommand(e), eventsCommand(e), infoCommand(e), pruneSystemCommand(e), apicmd.DialStdio(e),
	}}
}

func builderGroup(e *command.Env) *cli.Command {
	return &cli.Command{Name: "builder", Usage: "Manage builds", Subcommands: []*cli.Command{
		buildcmd.Build(e), buildcmd.Cache(e), buildcmd.Prune(e),
	}}
}
