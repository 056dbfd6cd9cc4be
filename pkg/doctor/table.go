// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"
	"strings"

	"coracle/pkg/hint"
)

// remedies that several rows have.
const (
	uncovered     = "for the container around: --security-opt systempaths=unconfined"
	unfiltered    = "for the container around: --security-opt seccomp=unconfined"
	otherPlace    = "use a directory on a local disk: --root, or CORACLE_ROOT"
	moreDelegated = "a login with systemd 244 or later on cgroup v2; for all controllers: Delegate=cpu cpuset io memory pids in a drop-in of user@.service"
)

// Table is every row, as it is where the ability is not there: what is lost, what is
// done instead, and the remedy. Some of it is known better on a host.
func Table() Report {
	return Report{
		{Name: hint.Kernel, Needed: true, Lost: "overlayfs for users is of 5.11, mounts that are changed recursively of 5.12", Remedy: "a kernel from " + leastKernel + " on"},
		{Name: hint.UserNamespaces, Needed: true, Lost: "containers, and all isolation of builds", Instead: "as root of a container: builds whose commands run by chroot; as anybody: images, and builds of COPY, ADD and metadata", Remedy: "sysctl user.max_user_namespaces=15000; on Ubuntu the profile of coracle doctor --apparmor-profile; " + unfiltered},
		{Name: hint.ProcessNamespaces, Needed: true, Lost: "containers", Remedy: "sysctl user.max_pid_namespaces=15000, and so for mnt, ipc and uts"},
		{Name: hint.Proc, Lost: "a container's own /proc", Instead: "the one around, with what covers it: containers see the processes around them", Remedy: uncovered},
		{Name: hint.Sys, Lost: "a container's own /sys", Instead: "the host's, read-only", Remedy: uncovered},
		{Name: hint.Terminals, Needed: true, Lost: "/dev/pts"},
		{Name: hint.MessageQueues, Needed: true, Lost: "/dev/mqueue"},
		{Name: hint.HostName, Lost: "a container's own host name", Instead: "the name of the container around; /etc/hostname and HOSTNAME are the container's own", Remedy: unfiltered},
		{Name: hint.CgroupNamespace, Needed: true, Lost: "a container's own view of its cgroup", Remedy: "sysctl user.max_cgroup_namespaces=15000; until then --cgroupns host"},
		{Name: hint.Overlay, Lost: "starts that take no time and no space, whatever the image's size", Instead: "copies of the layers, by reflinks where the file system has them", Remedy: "use a directory on ext4, xfs, btrfs or tmpfs: --root, or CORACLE_ROOT"},
		{Name: hint.UserAttributes, Needed: true, Lost: "deleted and replaced directories in layers", Remedy: "use a file system with user extended attributes: --root, or CORACLE_ROOT"},
		{Name: hint.Owners, Needed: true, Lost: "images with files of others than root", Remedy: otherPlace + "; or one id for everything: CORACLE_SINGLE_ID=1"},
		{Name: hint.Reflinks, Lost: "copies that take no space", Instead: "copies", Remedy: "use xfs or btrfs"},
		{Name: hint.NetworkNamespace, Lost: "networks of containers", Instead: "--network host, where it is asked for", Remedy: "sysctl user.max_net_namespaces=15000"},
		{Name: hint.Veth, Lost: "networks of containers where there is no TAP either", Instead: "TAP devices, where /dev/net/tun is open", Remedy: "modprobe veth"},
		{Name: hint.StoreSockets, Lost: "networks with names; containers that reach each other", Instead: "on the default network, each container for itself", Remedy: otherPlace},
		{Name: hint.TCPRepair, Lost: "TCP to the world at the kernel's speed", Instead: "TCP carried by the stack"},
		{Name: hint.Seccomp, Needed: true, Lost: "the filter of system calls", Remedy: "a kernel with CONFIG_SECCOMP_FILTER"},
		{Name: hint.SeccompNotification, Lost: "programs with one id that look whether their user has changed: apt, su", Remedy: "a kernel with CONFIG_SECCOMP_FILTER, 5.0 or later"},
		{Name: hint.AbstractSockets, Lost: "with --network host: the host's abstract unix sockets closed", Remedy: "Linux 6.12 or later with Landlock"},
		{Name: hint.Store, Needed: true, Lost: "everything that is kept", Instead: "the temporary space, where only the home directory is missing", Remedy: "use a directory of yours on a local file system: --root, or CORACLE_ROOT"},
		{Name: hint.SharedStores, Lost: "the images of a store that cannot be read", Instead: "images are pulled", Remedy: "who keeps it: chmod -R a+rX DIR"},
		{Name: hint.Locks, Needed: true, Lost: "commands at the same time", Remedy: otherPlace},
		{Name: hint.Execution, Lost: "where there are no namespaces or no overlayfs: programs in the store", Remedy: "mount it with exec, or use another directory: --root, or CORACLE_ROOT"},
		{Name: hint.RunDirectory, Lost: "sockets and process ids in a place that goes with your session", Instead: "a directory of yours in the temporary space", Remedy: "log in through pam_systemd, or set XDG_RUNTIME_DIR to a directory of yours with mode 0700"},
		{Name: hint.SubordinateIDs, Lost: "owners other than root in containers, to the kernel", Instead: "one id: owners are noted, and images have them", Remedy: "usermod --add-subuids FIRST-LAST --add-subgids FIRST-LAST USER: the doctor says it with a range that nobody has"},
		{Name: hint.Cgroup, Lost: "pause, and limits that are the cgroup's alone", Instead: "limits by rlimits and watching, where there are any", Remedy: moreDelegated},
		{Name: hint.CgroupControllers, Lost: "the limits of those that are missing", Remedy: moreDelegated},
		{Name: hint.SeccompAround, Lost: "whatever the filter refuses: see the rows that are not there", Remedy: unfiltered + " --security-opt systempaths=unconfined"},
		{Name: hint.Limits, Lost: "containers with more than that", Remedy: "limits.conf(5), or Limit…= of the unit"},
		{Name: hint.Inotify, Lost: "logs -f, and what waits for files", Remedy: "sysctl fs.inotify.max_user_instances=1024"},
		{Name: hint.LowPorts, Lost: "publishing ports below 1024", Remedy: "sysctl net.ipv4.ip_unprivileged_port_start=0"},
		{Name: hint.Ping, Lost: "ping of the world from a container", Remedy: `sysctl net.ipv4.ping_group_range="0 2147483647"`},
		{Name: hint.IPv6, Lost: "IPv6 in and out of containers", Instead: "IPv4", Remedy: "sysctl net.ipv6.conf.all.disable_ipv6=0"},
		{Name: hint.NameServers, Lost: "names, in containers that have no --dns", Instead: "127.0.0.1, as the resolver's default is", Remedy: "nameserver lines in /etc/resolv.conf"},
		{Name: hint.Clock, Lost: "pull and push by TLS, for certificates count for a time", Remedy: "set the clock: timedatectl set-ntp true"},
		{Name: hint.Lingering, Lost: "containers when you log out for the last time, and units of yours at boot", Remedy: "loginctl enable-linger USER"},
		{Name: hint.Manager, Lost: "limits outside of delegated cgroups; `coracle systemd` and `quadlet` write units that systemd is not told of", Remedy: "log in by a session of your own (not su or sudo), or set XDG_RUNTIME_DIR=/run/user/$(id -u)"},
	}
}

// row is one of the table.
func row(name hint.Row) Row {
	for _, r := range Table() {
		if r.Name == name {
			return r
		}
	}
	return Row{Name: name}
}

// Named are the rows that somebody asks for: all words together are one name, or
// each is one.
func (r Report) Named(words []string) (Report, error) {
	if len(words) == 0 {
		return r, nil
	}
	var found Report
	for _, names := range [][]string{{strings.Join(words, " ")}, words} {
		found = nil
		for _, name := range names {
			for _, row := range r {
				if strings.EqualFold(string(row.Name), name) {
					found = append(found, row)
				}
			}
		}
		if len(found) == len(names) {
			return found, nil
		}
	}
	return nil, fmt.Errorf("no such ability: %s", strings.Join(words, " "))
}

// Markdown is the table of README.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| ability | without it is lost | done instead | who can change it, and how |\n|---|---|---|---|\n")
	for _, r := range Table() {
		name := string(r.Name)
		if r.Needed {
			name = "**" + name + "**"
		}
		cells := []string{name, r.Lost, r.Instead, r.Remedy}
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(c, "|", `\|`)
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	return b.String()
}
