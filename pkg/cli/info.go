// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/ns"
)

func infoCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "info", Usage: "Display system-wide information", Flags: []cli.Flag{text("format", short("f"), "Format output using a custom template")},
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 0, 0); err != nil {
				return err
			}
			info, err := e.info()
			if err != nil {
				return err
			}
			if f := c.String("format"); f != "" {
				return e.inspect(orJSON(f), []any{info})
			}
			printInfo(e.stdout, info)
			return nil
		},
	}
}

// info has the fields of Docker's info which an engine without a daemon can
// fill truly.
func (e *env) info() (obj, error) {
	cs, err := e.containers()
	if err != nil {
		return nil, err
	}
	list, err := cs.Readable()
	if err != nil {
		return nil, err
	}
	ix, err := e.index()
	if err != nil {
		return nil, err
	}
	running, paused := 0, 0
	for _, c := range list {
		switch {
		case c.State.Status == container.Paused:
			paused++
		case c.State.IsRunning():
			running++
		}
	}
	groups := cgroups()
	machine, release, err := uname()
	if err != nil {
		return nil, err
	}
	name, version := operatingSystem()
	host, _ := os.Hostname()
	info := obj{
		"ID": e.dirs.Root, "Name": host, "ServerVersion": Version, "OSType": "linux", "Architecture": machine,
		"KernelVersion": release, "OperatingSystem": name, "OSVersion": version,
		"NCPU": runtime.NumCPU(), "MemTotal": int64(container.HostMemory()), "SystemTime": time.Now().Format(time.RFC3339Nano),
		"Containers": len(list), "ContainersRunning": running, "ContainersPaused": paused, "ContainersStopped": len(list) - running - paused,
		"Images": len(ix.Images), "DockerRootDir": e.dirs.Root,
		"Driver": "overlay", "DriverStatus": driverStatus(e.dirs.Root), "LoggingDriver": "json-file",
		"CgroupDriver": groups.driver, "CgroupVersion": cgroupVersion(),
		"SecurityOptions": securityOptions(), "DefaultRuntime": "coracle", "Runtimes": obj{"coracle": obj{"path": "coracle"}},
		"Plugins":            obj{"Volume": []string{"local"}, "Network": []string{"bridge", "host", "none"}, "Authorization": nil, "Log": []string{"json-file", "none"}},
		"IndexServerAddress": "https://index.docker.io/v1/", "Swarm": obj{"LocalNodeState": "inactive"},
		"MemoryLimit": groups.has("memory"), "SwapLimit": groups.has("memory"), "CpuCfsQuota": groups.has("cpu"), "CpuCfsPeriod": groups.has("cpu"),
		"CPUShares": groups.has("cpu"), "CPUSet": groups.has("cpuset"), "PidsLimit": groups.has("pids"),
		"IPv4Forwarding": true, "OomKillDisable": false, "Debug": false, "ExperimentalBuild": false, "LiveRestoreEnabled": true,
		"InitBinary": "", "HttpProxy": os.Getenv("HTTP_PROXY"), "HttpsProxy": os.Getenv("HTTPS_PROXY"), "NoProxy": os.Getenv("NO_PROXY"),
		"Warnings": infoWarnings(groups), "ClientInfo": obj{"Version": Version, "Context": "default", "Debug": false},
	}
	return info, nil
}

func uname() (machine, release string, err error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", "", os.NewSyscallError("uname", err)
	}
	return unix.ByteSliceToString(u.Machine[:]), unix.ByteSliceToString(u.Release[:]), nil
}

// operatingSystem reads os-release(5).
func operatingSystem() (name, version string) {
	f, err := os.Open("/etc/os-release")
	if err != nil {
		return "Linux", ""
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		key, value, _ := strings.Cut(sc.Text(), "=")
		if text, err := strconv.Unquote(value); err == nil {
			value = text
		}
		switch key {
		case "PRETTY_NAME":
			name = value
		case "VERSION_ID":
			version = value
		}
	}
	return name, version
}

func cgroupVersion() string {
	var fs unix.Statfs_t
	if unix.Statfs("/sys/fs/cgroup", &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC {
		return "2"
	}
	return "1"
}

// fileSystems are the names that Docker gives to the magic numbers of
// statfs(2).
var fileSystems = map[int64]string{
	unix.EXT4_SUPER_MAGIC: "extfs", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.TMPFS_MAGIC: "tmpfs",
	unix.OVERLAYFS_SUPER_MAGIC: "overlayfs", unix.F2FS_SUPER_MAGIC: "f2fs", unix.NFS_SUPER_MAGIC: "nfs",
}

func driverStatus(root string) [][2]string {
	backing := "unknown"
	var fs unix.Statfs_t
	if unix.Statfs(root, &fs) == nil {
		if name := fileSystems[int64(fs.Type)]; name != "" {
			backing = name
		}
	}
	return [][2]string{{"Backing Filesystem", backing}, {"Supports d_type", "true"}, {"Using metacopy", "false"}, {"Native Overlay Diff", "true"}, {"userxattr", "true"}}
}

func securityOptions() []string {
	return []string{"name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"}
}

// infoWarnings says what this host cannot give.
func infoWarnings(groups cgroupSupport) []string {
	var list []string
	if maps, err := ns.HostMaps(); err == nil && maps.Single() {
		list = append(list, "WARNING: containers have a single user id: "+maps.Reason)
	}
	if groups.driver == "none" {
		list = append(list, "WARNING: no cgroup is delegated to you: pause does not work, and limits are kept by other means, where there are any")
	}
	for _, w := range []struct{ controller, text string }{
		{"memory", "No memory limit support"}, {"cpu", "No cpu cfs quota support"}, {"cpuset", "No cpuset support"},
		{"pids", "No pids limit support"}, {"io", "No io.weight support"},
	} {
		if !groups.has(w.controller) {
			list = append(list, "WARNING: "+w.text)
		}
	}
	return list
}

// cgroupSupport is what containers' cgroups can have on this host.
type cgroupSupport struct {
	driver      string // cgroupfs, systemd or none
	controllers []string
}

func (s cgroupSupport) has(controller string) bool { return slices.Contains(s.controllers, controller) }

func cgroups() cgroupSupport {
	names, delegated := availableControllers()
	switch {
	case !delegated:
		return cgroupSupport{driver: "none"}
	case isDelegatedDirectly():
		return cgroupSupport{"cgroupfs", names}
	}
	return cgroupSupport{"systemd", names}
}

func isDelegatedDirectly() bool {
	_, err := cgroup.Find()
	return err == nil
}

// printInfo prints what Docker prints.
func printInfo(w io.Writer, i obj) {
	fmt.Fprintf(w, "Client:\n Version:    %v\n Context:    default\n Debug Mode: false\n\nServer:\n", i["ServerVersion"])
	fmt.Fprintf(w, " Containers: %v\n  Running: %v\n  Paused: %v\n  Stopped: %v\n", i["Containers"], i["ContainersRunning"], i["ContainersPaused"], i["ContainersStopped"])
	fmt.Fprintf(w, " Images: %v\n Server Version: %v\n Storage Driver: %v\n", i["Images"], i["ServerVersion"], i["Driver"])
	if status, ok := i["DriverStatus"].([][2]string); ok {
		for _, kv := range status {
			fmt.Fprintf(w, "  %s: %s\n", kv[0], kv[1])
		}
	}
	fmt.Fprintf(w, " Logging Driver: %v\n Cgroup Driver: %v\n Cgroup Version: %v\n", i["LoggingDriver"], i["CgroupDriver"], i["CgroupVersion"])
	fmt.Fprintf(w, " Plugins:\n  Volume: local\n  Network: bridge host none\n  Log: json-file none\n Swarm: inactive\n Runtimes: coracle\n Default Runtime: coracle\n Security Options:\n")
	for _, o := range securityOptions() {
		first, rest, _ := strings.Cut(strings.TrimPrefix(o, "name="), ",")
		fmt.Fprintf(w, "  %s\n", first)
		if profile, ok := strings.CutPrefix(rest, "profile="); ok {
			fmt.Fprintf(w, "   Profile: %s\n", profile)
		}
	}
	fmt.Fprintf(w, " Kernel Version: %v\n Operating System: %v\n OSType: %v\n Architecture: %v\n CPUs: %v\n", i["KernelVersion"], i["OperatingSystem"], i["OSType"], i["Architecture"], i["NCPU"])
	if mem, ok := i["MemTotal"].(int64); ok {
		fmt.Fprintf(w, " Total Memory: %s\n", units.BytesSize(float64(mem)))
	}
	fmt.Fprintf(w, " Name: %v\n Docker Root Dir: %v\n Debug Mode: false\n Experimental: false\n Insecure Registries:\n  ::1/128\n  127.0.0.0/8\n Live Restore Enabled: true\n", i["Name"], i["DockerRootDir"])
	if warnings, ok := i["Warnings"].([]string); ok {
		fmt.Fprintln(w)
		for _, l := range warnings {
			fmt.Fprintln(w, l)
		}
	}
}
