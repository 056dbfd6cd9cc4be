// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bufio"
	"cmp"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/cdi"
	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/container/logfile"
	"coracle/pkg/docker"
	"coracle/pkg/hint"
	"coracle/pkg/ids"
)

// Describe is what there is to know of this host, where root is the directory of
// everything that coracle keeps. What is in there the caller counts.
func Describe(root string) (docker.Host, error) {
	h := docker.Host{
		Root: root, CPUs: runtime.NumCPU(), Memory: int64(container.HostMemory()), Time: time.Now().Format(time.RFC3339Nano),
		Backing: backingFileSystem(root), CgroupVersion: cgroupVersion(), Controllers: map[string]bool{}, LogDrivers: logfile.Drivers(),
		HTTPProxy: proxyOf("http"), HTTPSProxy: proxyOf("https"), NoProxy: proxyOf("no"),
	}
	h.Name, _ = os.Hostname()
	h.OperatingSystem, h.OSVersion = operatingSystem()
	var err error
	if h.Machine, _, err = Kernel(); err != nil {
		return h, err
	}
	files := cdi.Load(cdi.Dirs())
	h.CDIDirs, h.CDIDevices = cdi.Dirs(), files.Names()
	groups := cgroups()
	h.CgroupDriver, h.Warnings = groups.driver, warnings(groups)
	for _, p := range files.Problems() {
		h.Warnings = append(h.Warnings, "WARNING: CDI: "+strings.ReplaceAll(p.Error(), "\n", " "))
	}
	for _, name := range groups.controllers {
		h.Controllers[name] = true
	}
	return h, nil
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

// Kernel is what uname(2) says of the machine and of the kernel.
func Kernel() (machine, release string, err error) {
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

// backingFileSystem is the name that Docker gives to the magic number of
// statfs(2).
func backingFileSystem(root string) string {
	var fs unix.Statfs_t
	if unix.Statfs(root, &fs) != nil {
		return "unknown"
	}
	switch int64(fs.Type) {
	case unix.EXT4_SUPER_MAGIC:
		return "extfs"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	case unix.F2FS_SUPER_MAGIC:
		return "f2fs"
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	}
	return "unknown"
}

// warnings says what this host cannot give.
func warnings(groups cgroupSupport) []string {
	var list []string
	if maps, err := ids.HostMaps(); err == nil && maps.Single() {
		list = append(list, "WARNING: containers have a single user id: "+maps.Reason+hint.SubordinateIDs.See())
	}
	if groups.driver == "none" {
		list = append(list, "WARNING: no cgroup is delegated to you: pause does not work, and limits are kept by other means, where there are any"+hint.Cgroup.See())
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
