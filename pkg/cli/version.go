// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

// apiVersion is that of the Docker engine whose command line this is.
const apiVersion = "1.51"

func versionCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "Show the version information", Flags: []cli.Flag{text("format", short("f"), "Format output using a custom template")},
		Action: func(c *cli.Context) error {
			part := obj{"Version": Version, "ApiVersion": apiVersion, "GoVersion": runtime.Version(), "Os": runtime.GOOS, "Arch": runtime.GOARCH}
			if f := c.String("format"); f != "" {
				return e.inspect(orJSON(f), []any{obj{"Client": part, "Server": part}})
			}
			fmt.Fprintf(e.stdout, "Client: coracle\n Version:           %s\n API version:       %s\n Go version:        %s\n OS/Arch:           %s/%s\n\nServer: none (every command does its own work)\n",
				Version, apiVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}

// orJSON makes --format json the template that prints one object on a line.
func orJSON(f string) string {
	if f == "json" {
		return "{{json .}}"
	}
	return f
}

func infoCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "info", Usage: "Display system-wide information", Flags: []cli.Flag{text("format", short("f"), "Format output using a custom template")},
		Action: func(c *cli.Context) error {
			info, err := e.info()
			if err != nil {
				return err
			}
			if f := c.String("format"); f != "" {
				return e.inspect(orJSON(f), []any{info})
			}
			for _, k := range []string{"ServerVersion", "Driver", "CgroupVersion", "SecurityOptions", "KernelVersion", "OSType", "Architecture", "NCPU", "Containers", "ContainersRunning", "ContainersStopped", "Images", "DockerRootDir"} {
				fmt.Fprintf(e.stdout, " %s: %v\n", k, info[k])
			}
			return nil
		},
	}
}

func (e *env) info() (obj, error) {
	cs, err := e.containers()
	if err != nil {
		return nil, err
	}
	list, err := cs.List()
	if err != nil {
		return nil, err
	}
	ix, err := e.index()
	if err != nil {
		return nil, err
	}
	running := 0
	for _, c := range list {
		if c.State.IsRunning() {
			running++
		}
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return nil, err
	}
	cgroup := "1"
	var fs unix.Statfs_t
	if unix.Statfs("/sys/fs/cgroup", &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC {
		cgroup = "2"
	}
	return obj{
		"ServerVersion": Version, "Driver": "overlay", "OSType": "linux", "Architecture": unix.ByteSliceToString(u.Machine[:]),
		"KernelVersion": unix.ByteSliceToString(u.Release[:]), "CgroupVersion": cgroup, "CgroupDriver": "none",
		"SecurityOptions": []string{"name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"}, "NCPU": runtime.NumCPU(),
		"Containers": len(list), "ContainersRunning": running, "ContainersStopped": len(list) - running, "ContainersPaused": 0,
		"Images": len(ix.Images), "DockerRootDir": e.dirs.Root,
	}, nil
}
