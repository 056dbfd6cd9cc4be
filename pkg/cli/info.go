// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/docker"
	"coracle/pkg/host"
)

func infoCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "info", Usage: "Display system-wide information", Flags: []cli.Flag{flags.Text("format", flags.Short("f"), "Format output using a custom template")},
		Action: command.Takes(e, 0, 0, func(e *command.Env, c *cli.Context) error {
			info, err := info(c.Context, e)
			if err != nil {
				return err
			}
			if f := c.String("format"); f != "" {
				return command.PrintObject(e, f, info)
			}
			return printInfo(e, info)
		}),
	}
}

// info is what there is to know of this host and of what is on it.
func info(ctx context.Context, e *command.Env) (*docker.Info, error) {
	d, err := e.Open()
	if err != nil {
		return nil, err
	}
	p, err := host.Program(Version)
	if err != nil {
		return nil, err
	}
	return host.Info(ctx, d, p)
}

// printInfo prints what Docker prints; warnings are for people.
func printInfo(e *command.Env, i *docker.Info) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, " "+format+"\n", args...) }
	fmt.Fprintln(&b, "Client:")
	line("Version:    %s", i.ClientInfo.Version)
	line("Context:    %s", i.ClientInfo.Context)
	line("Debug Mode: %t", i.ClientInfo.Debug)
	fmt.Fprintln(&b, "\nServer:")
	line("Containers: %d", i.Containers)
	line(" Running: %d", i.ContainersRunning)
	line(" Paused: %d", i.ContainersPaused)
	line(" Stopped: %d", i.ContainersStopped)
	line("Images: %d", i.Images)
	line("Server Version: %s", i.ServerVersion)
	line("Storage Driver: %s", i.Driver)
	for _, kv := range i.DriverStatus {
		line(" %s: %s", kv[0], kv[1])
	}
	line("Logging Driver: %s", i.LoggingDriver)
	line("Cgroup Driver: %s", i.CgroupDriver)
	line("Cgroup Version: %s", i.CgroupVersion)
	line("Plugins:")
	line(" Volume: %s", strings.Join(i.Plugins.Volume, " "))
	line(" Network: %s", strings.Join(i.Plugins.Network, " "))
	line(" Log: %s", strings.Join(i.Plugins.Log, " "))
	line("CDI spec directories:")
	for _, d := range i.CDISpecDirs {
		line(" %s", d)
	}
	if len(i.DiscoveredDevices) > 0 {
		line("Discovered Devices:")
		for _, d := range i.DiscoveredDevices {
			line(" %s: %s", d.Source, d.ID)
		}
	}
	line("Swarm: %s", i.Swarm.LocalNodeState)
	line("Runtimes: %s", strings.Join(slices.Sorted(maps.Keys(i.Runtimes)), " "))
	line("Default Runtime: %s", i.DefaultRuntime)
	line("Security Options:")
	for _, o := range i.SecurityOptions {
		first, rest, _ := strings.Cut(strings.TrimPrefix(o, "name="), ",")
		line(" %s", first)
		if profile, ok := strings.CutPrefix(rest, "profile="); ok {
			line("  Profile: %s", profile)
		}
	}
	line("Kernel Version: %s", i.KernelVersion)
	line("Operating System: %s", i.OperatingSystem)
	line("OSType: %s", i.OSType)
	line("Architecture: %s", i.Architecture)
	line("CPUs: %d", i.NCPU)
	line("Total Memory: %s", units.BytesSize(float64(i.MemTotal)))
	line("Name: %s", i.Name)
	line("Docker Root Dir: %s", i.DockerRootDir)
	line("Debug Mode: %t", i.Debug)
	for _, p := range []struct{ name, value string }{{"HTTP Proxy", i.HTTPProxy}, {"HTTPS Proxy", i.HTTPSProxy}, {"No Proxy", i.NoProxy}} {
		if p.value != "" {
			line("%s: %s", p.name, p.value)
		}
	}
	line("Experimental: %t", i.ExperimentalBuild)
	line("Insecure Registries:")
	for _, r := range i.RegistryConfig.InsecureRegistryCIDRs {
		line(" %s", r)
	}
	line("Live Restore Enabled: %t", i.LiveRestoreEnabled)
	if len(i.Warnings) > 0 {
		fmt.Fprintln(&b, "\n"+strings.Join(i.Warnings, "\n"))
	}
	_, err := io.WriteString(e.Stdout, b.String())
	return err
}
