// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"coracle/pkg/cli/flags"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/container/logfile"
	"coracle/pkg/docker"
	"coracle/pkg/ids"
)

func infoCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "info", Usage: "Display system-wide information", Flags: []cli.Flag{flags.Text("format", flags.Short("f"), "Format output using a custom template")},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 0, 0); err != nil {
				return err
			}
			info, err := info(e)
			if err != nil {
				return err
			}
			if f := c.String("format"); f != "" {
				return printObject(e, f, info)
			}
			return printInfo(e, info)
		},
	}
}

// info is what there is to know of this host and of what is on it.
func info(e *env) (*docker.Info, error) {
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
	p, err := thisProgram()
	if err != nil {
		return nil, err
	}
	h := docker.Host{
		Root: e.dirs.Root, CPUs: runtime.NumCPU(), Memory: int64(container.HostMemory()), Time: time.Now().Format(time.RFC3339Nano), Images: len(ix.Images),
		Backing: backingFileSystem(e.dirs.Root), CgroupVersion: cgroupVersion(), Controllers: map[string]bool{}, LogDrivers: logfile.Drivers(),
		HTTPProxy: proxyOf("http"), HTTPSProxy: proxyOf("https"), NoProxy: proxyOf("no"),
	}
	h.Name, _ = os.Hostname()
	h.OperatingSystem, h.OSVersion = operatingSystem()
	if h.Machine, _, err = uname(); err != nil {
		return nil, err
	}
	for _, c := range list {
		switch {
		case c.State.Status == container.Paused:
			h.Paused++
		case c.State.IsRunning():
			h.Running++
		default:
			h.Stopped++
		}
	}
	groups := cgroups()
	h.CgroupDriver, h.Warnings = groups.driver, infoWarnings(groups)
	for _, name := range groups.controllers {
		h.Controllers[name] = true
	}
	return docker.HostInfo(p, h), nil
}

// proxyOf is a proxy of the environment, without what only it should know.
func proxyOf(kind string) string {
	v := cmp.Or(os.Getenv(strings.ToUpper(kind)+"_PROXY"), os.Getenv(kind+"_proxy"))
	if u, err := url.Parse(v); err == nil && u.User != nil {
		u.User = url.UserPassword("xxxxx", "xxxxx")
		return u.String()
	}
	return v
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

func backingFileSystem(root string) string {
	var fs unix.Statfs_t
	if unix.Statfs(root, &fs) == nil && fileSystems[int64(fs.Type)] != "" {
		return fileSystems[int64(fs.Type)]
	}
	return "unknown"
}

// infoWarnings says what this host cannot give.
func infoWarnings(groups cgroupSupport) []string {
	var list []string
	if maps, err := ids.HostMaps(); err == nil && maps.Single() {
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
	names, delegated := cgroup.Available()
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

// printInfo prints what Docker prints; warnings are for people.
func printInfo(e *env, i *docker.Info) error {
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
	_, err := io.WriteString(e.stdout, b.String())
	return err
}
