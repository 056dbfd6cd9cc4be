// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/ids"
)

// Options are what a container may differ in.
type Options struct {
	Rootfs         string // mounted, absolute
	ReadOnlyRootfs bool
	Args, Env      []string
	Cwd            string
	User           ids.User
	Hostname       string
	Terminal       bool

	Privileged      bool
	NoNewPrivs      bool
	CapAdd, CapDrop []string // with or without CAP_, or ALL
	Seccomp         string   // "" default, "unconfined", or the text of a profile
	UnmaskPaths     bool

	Mounts      []specs.Mount // after our own; one with the destination of ours replaces it
	ShmSize     int64         // bytes; 0 is Docker's 64 MiB
	Rlimits     []specs.POSIXRlimit
	Sysctl      map[string]string
	OomScoreAdj *int

	Hooks *specs.Hooks // or nil

	HostNet, HostPID, HostIPC, HostUTS bool
	HostCgroup                         bool
	NoShm                              bool // no /dev/shm
	Umask                              *uint32
	Annotations                        map[string]string
	Maps                               ids.Maps
	Throttle                           []string // this machine's counters; see ThrottleCounters
	// Identities says that somebody answers the calls about identities that the
	// filter of a single id hands over (package ids/paper).
	Identities bool
	// HideOwners leaves the calls about files to the kernel then, but for those that
	// give them away: whose they are is not seen, and who makes them is not noted.
	HideOwners bool
}

const defaultShmSize = 64 << 20

// New returns the spec. The error says which option is wrong.
func New(o Options) (*specs.Spec, error) {
	caps, err := Capabilities(o.CapAdd, o.CapDrop, o.Privileged)
	if err != nil {
		return nil, err
	}
	if !o.Identities { // who answers for identities has the last word on the user
		if err := o.Maps.Check(o.User); err != nil {
			return nil, err
		}
	}
	s := &specs.Spec{
		Version:  specs.Version,
		Root:     &specs.Root{Path: o.Rootfs, Readonly: o.ReadOnlyRootfs},
		Hostname: o.Hostname,
		Process: &specs.Process{
			Terminal: o.Terminal, Args: o.Args, Env: o.Env, Cwd: o.Cwd,
			User:         specs.User{UID: o.User.UID, GID: o.User.GID, AdditionalGids: o.User.AdditionalGIDs},
			Capabilities: caps, NoNewPrivileges: o.NoNewPrivs, Rlimits: o.Rlimits, OOMScoreAdj: o.OomScoreAdj,
		},
		Linux: &specs.Linux{Namespaces: namespaces(o), Sysctl: o.Sysctl},
	}
	s.Process.User.Umask, s.Annotations, s.Hooks = o.Umask, o.Annotations, o.Hooks
	if s.Process.Cwd == "" {
		s.Process.Cwd = "/"
	}
	s.Mounts = mounts(o)
	if !o.Privileged && !o.UnmaskPaths {
		s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = Masked(o.HostNet, o.Throttle)
	}
	if s.Linux.Seccomp, err = profile(o, s); err != nil {
		return nil, err
	}
	return s, nil
}

func namespaces(o Options) []specs.LinuxNamespace {
	list := []specs.LinuxNamespace{{Type: specs.MountNamespace}}
	for _, n := range []struct {
		host bool
		kind specs.LinuxNamespaceType
	}{
		{o.HostPID, specs.PIDNamespace}, {o.HostIPC, specs.IPCNamespace},
		{o.HostUTS, specs.UTSNamespace}, {o.HostNet, specs.NetworkNamespace}, {o.HostCgroup, specs.CgroupNamespace},
	} {
		if !n.host {
			list = append(list, specs.LinuxNamespace{Type: n.kind})
		}
	}
	return list
}

// mounts are those of every container, then the user's.
func mounts(o Options) []specs.Mount {
	shm := o.ShmSize
	if shm == 0 {
		shm = defaultShmSize
	}
	sys := "ro"
	if o.Privileged {
		sys = "rw"
	}
	own := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=" + strconv.FormatInt(shm, 10)}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", sys}},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
	}
	if o.HostPID {
		own[0] = specs.Mount{Destination: "/proc", Type: "bind", Source: "/proc", Options: []string{"rbind", "nosuid", "noexec", "nodev"}}
	}
	if o.HostIPC { // the queues and segments of the host belong to its user namespace
		own[3] = specs.Mount{Destination: "/dev/shm", Type: "bind", Source: "/dev/shm", Options: []string{"rbind", "nosuid", "noexec", "nodev"}}
		own[4] = specs.Mount{Destination: "/dev/mqueue", Type: "bind", Source: "/dev/mqueue", Options: []string{"rbind", "nosuid", "noexec", "nodev"}}
	}
	theirs := map[string]bool{}
	for _, m := range o.Mounts {
		theirs[path.Clean(m.Destination)] = true
	}
	all := slices.DeleteFunc(own, func(m specs.Mount) bool {
		// Who brings a /dev brings all of it.
		return theirs[m.Destination] || o.NoShm && m.Destination == "/dev/shm" || theirs["/dev"] && strings.HasPrefix(m.Destination, "/dev/")
	})
	return append(all, o.Mounts...)
}

// MountPoints are the places where every container has a mount of ours: in a
// layer, one that is empty was made for that and is no change of the container's.
func MountPoints() []string {
	return []string{"/proc", "/dev", "/sys", "/etc/resolv.conf", "/etc/hosts", "/etc/hostname"}
}

// Masked are the paths that are hidden, and those that are read-only, in a
// container that is neither privileged nor without masks: what Docker or podman
// hides. hostNet says that its network is the host's; throttle are the machine's
// ThrottleCounters.
func Masked(hostNet bool, throttle []string) (masked, readonly []string) {
	masked = slices.Concat(maskedPaths, throttle)
	if hostNet { // then /sys is the host's, with its debug and tracing file systems
		masked = append(masked, "/sys/kernel")
	}
	return masked, slices.Clone(readonlyPaths)
}

// ThrottleCounters are the directories with the per-CPU throttle counters of this
// machine, a side channel: how hot a CPU is says what its neighbours do. It is the
// only thing here that looks at the host.
func ThrottleCounters() []string {
	list, _ := filepath.Glob("/sys/devices/system/cpu/cpu*/thermal_throttle") // the pattern is good
	return list
}

var maskedPaths = []string{
	"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
	"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
	"/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/selinux",
}

var readonlyPaths = []string{"/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}

// defaultCapabilities are Docker's without AUDIT_WRITE and MKNOD, with which a user
// namespace can do nothing; they are asked for by name.
var defaultCapabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE",
	"CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

// Capabilities returns the sets of a process: add and drop over the default,
// drop ALL before add as in Docker. Inheritable and ambient stay empty.
func Capabilities(add, drop []string, privileged bool) (*specs.LinuxCapabilities, error) {
	add, err := normalizeCaps(add)
	if err != nil {
		return nil, fmt.Errorf("invalid CapAdd: %w", err)
	}
	if drop, err = normalizeCaps(drop); err != nil {
		return nil, fmt.Errorf("invalid CapDrop: %w", err)
	}
	set := slices.Clone(defaultCapabilities)
	switch {
	case privileged, slices.Contains(add, "ALL"):
		set = ids.Capabilities()
	case slices.Contains(drop, "ALL"):
		set = nil
	}
	if !privileged {
		set = slices.DeleteFunc(set, func(c string) bool { return slices.Contains(drop, c) })
		for _, c := range add {
			if c != "ALL" && !slices.Contains(set, c) {
				set = append(set, c)
			}
		}
	}
	return &specs.LinuxCapabilities{Bounding: set, Effective: set, Permitted: set}, nil
}

func normalizeCaps(names []string) ([]string, error) {
	var out []string
	known := ids.Capabilities()
	for _, n := range names {
		c := strings.ToUpper(n)
		if c != "ALL" {
			c = "CAP_" + strings.TrimPrefix(c, "CAP_")
			if !slices.Contains(known, c) {
				return nil, fmt.Errorf("unknown capability: %q", c)
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// Rlimit is the limit that Docker calls name ("nofile").
func Rlimit(name string, soft, hard int64) specs.POSIXRlimit {
	return specs.POSIXRlimit{Type: "RLIMIT_" + strings.ToUpper(name), Soft: uint64(soft), Hard: uint64(hard)}
}
