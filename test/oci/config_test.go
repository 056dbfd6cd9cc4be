// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestBadConfigLeavesNothing(t *testing.T) {
	for _, c := range []struct {
		want string
		edit func(s *specs.Spec)
	}{
		{"ociVersion", func(s *specs.Spec) { s.Version = "2.0.0" }},
		{"root.path: missing", func(s *specs.Spec) { s.Root = nil }},
		{"root.path", func(s *specs.Spec) { s.Root.Path = "nowhere" }},
		{"process.args: missing", func(s *specs.Spec) { s.Process.Args = nil }},
		{"process.cwd", func(s *specs.Spec) { s.Process.Cwd = "tmp" }},
		{"process.apparmorProfile: not supported", func(s *specs.Spec) { s.Process.ApparmorProfile = "x" }},
		{"process.selinuxLabel: not supported", func(s *specs.Spec) { s.Process.SelinuxLabel = "x" }},
		{"process.rlimits: RLIMIT_CORE is there twice", func(s *specs.Spec) {
			s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CORE"}, {Type: "RLIMIT_CORE"}}
		}},
		{"RLIMIT_FISH is not known", func(s *specs.Spec) { s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_FISH"}} }},
		{"CAP_FLY is not known", func(s *specs.Spec) { s.Process.Capabilities.Bounding = []string{"CAP_FLY"} }},
		{"mounts[0].destination: missing", func(s *specs.Spec) { s.Mounts[0].Destination = "" }},
		{"idmap is not supported", func(s *specs.Spec) { s.Mounts[0].Options = []string{"idmap"} }},
		{"mount /nix", func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/nix", Type: "bind", Source: "/nowhere"})
		}},
		{"linux.intelRdt: not supported", func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{} }},
		{"linux.rootfsPropagation", func(s *specs.Spec) { s.Linux.RootfsPropagation = "x" }},
		{"linux.seccomp.listenerPath", func(s *specs.Spec) { s.Linux.Seccomp.ListenerPath = "/x" }},
		{"compile seccomp profile", func(s *specs.Spec) { s.Linux.Seccomp.DefaultAction = "x" }},
		{"mount namespace", func(s *specs.Spec) { s.Linux.Namespaces = nil }},
		{`"fish" is not supported`, func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "fish"})
		}},
		{"is there twice", func(s *specs.Spec) { s.Linux.Namespaces = append(s.Linux.Namespaces, s.Linux.Namespaces[0]) }},
		{"missing for a new user namespace", func(s *specs.Spec) { s.Linux.UIDMappings = nil }},
		{"map ids", func(s *specs.Spec) { s.Linux.UIDMappings[0].HostID = 1 }},
		{"no user namespace to map for", func(s *specs.Spec) { drop(s, specs.UserNamespace) }},
		{"operation not permitted", func(s *specs.Spec) {
			drop(s, specs.UserNamespace)
			s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
		}},
		{"sysctl kernel.nothing", func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"kernel.nothing": "1"} }},
		{"hooks.poststop[0].path", func(s *specs.Spec) { s.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "x"}}} }},
		{"linux.devices", func(s *specs.Spec) { s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/x", Type: "q"}} }},
	} {
		b := newBundle(t, "true")
		c.edit(b.spec)
		b.write()
		b.refused(strings.Replace(c.want, "linux.devices", `device type "q" is not known`, 1), "create", "c")
		b.nothingLeft()
	}
	b := newBundle(t, "true")
	for _, text := range []string{"", "{", "[]", `{"process": 1}`} {
		if err := os.WriteFile(filepath.Join(b.dir, "config.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if r := b.oci("create", "c"); r.Code == 0 || !strings.Contains(r.Err, "config.json") && !strings.Contains(r.Err, "ociVersion") {
			t.Errorf("%q: %+v", text, r)
		}
	}
	for _, id := range []string{"", ".", "..", "a/b", "a b", strings.Repeat("x", 256)} {
		b.write()
		b.refused("invalid container id", "create", id)
	}
	b.nothingLeft()
}

func drop(s *specs.Spec, kind specs.LinuxNamespaceType) {
	var left []specs.LinuxNamespace
	for _, n := range s.Linux.Namespaces {
		if n.Type != kind {
			left = append(left, n)
		}
	}
	s.Linux.Namespaces = left
}

// lines runs the container and returns its output.
func (b *bundle) lines() []string {
	b.t.Helper()
	b.write()
	r := b.oci("run", "c")
	if r.Code != 0 {
		b.t.Fatalf("run: %d: %s%s", r.Code, r.Out, r.Err)
	}
	return strings.Split(strings.TrimSuffix(r.Out, "\n"), "\n")
}

func (b *bundle) want(want ...string) {
	b.t.Helper()
	got := b.lines()
	for i := 0; i < len(want) || i < len(got); i++ {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			b.t.Errorf("line %d is %q, want %q", i+1, g, w)
		}
	}
}

func TestProcess(t *testing.T) {
	b := newBundle(t, `pwd; umask; ulimit -n; echo $A; cat /proc/self/oom_score_adj
		grep -E 'Cap(Inh|Amb|Bnd)|NoNewPrivs|Seccomp:' /proc/self/status`)
	p, umask, adj := b.spec.Process, uint32(0o27), 500
	p.Cwd, p.Env, p.OOMScoreAdj, p.User.Umask = "/made/here", append(p.Env, "A=b c"), &adj, &umask
	p.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 50, Hard: 100}}
	net := []string{"CAP_NET_BIND_SERVICE"}
	p.Capabilities = &specs.LinuxCapabilities{Bounding: net, Effective: net, Permitted: net, Inheritable: net, Ambient: net}
	b.spec.Root.Readonly = false
	b.want("/made/here", "0027", "50", "b c", "500",
		"CapInh:\t0000000000000400", "CapBnd:\t0000000000000400", "CapAmb:\t0000000000000400", "NoNewPrivs:\t1", "Seccomp:\t2")
	p.Capabilities = nil
	p.Args[2] = "grep -E 'Cap(Eff|Bnd)' /proc/self/status"
	b.want("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000")
}

func TestWorld(t *testing.T) {
	b := newBundle(t, `hostname; cat /proc/sys/kernel/domainname; cat /proc/sys/net/ipv4/ip_unprivileged_port_start
		cat /masked | wc -c; touch /a 2>&1; touch /tmp/a 2>&1; touch /read/a 2>&1; cat /proc/self/uid_map | tr -s ' '
		ls /sys/class/net; test -p /dev/pipe && test -c /dev/null && echo nodes; cat /filled/link; touch /filled/x && echo writable
		cat /from/bundle`)
	s := b.spec
	s.Hostname, s.Domainname = "boat", "example"
	s.Linux.Sysctl = map[string]string{"net.ipv4.ip_unprivileged_port_start": "80"}
	s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, "/masked")
	s.Linux.ReadonlyPaths = append(s.Linux.ReadonlyPaths, "/read")
	s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/pipe", Type: "p"}, {Path: "/dev/null", Type: "c", Major: 1, Minor: 3}}
	s.Mounts = append(s.Mounts,
		specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"},
		specs.Mount{Destination: "/read", Type: "tmpfs", Source: "tmpfs"},
		specs.Mount{Destination: "/filled", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup"}},
		specs.Mount{Destination: "/from", Type: "none", Source: "mine", Options: []string{"bind", "ro", "noatime"}})
	if err := os.Mkdir(filepath.Join(b.dir, "mine"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "mine", "bundle"), []byte("beside\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.want("boat", "example", "80", "0", "touch: /a: Read-only file system", "touch: /read/a: Read-only file system",
		fmt.Sprintf(" 0 %d 1", os.Geteuid()), "lo", "nodes", "keptwritable", "beside")
	for _, name := range []string{"read", "from"} {
		_ = os.Remove(filepath.Join(world.rootfs, name))
	}
}

func TestPropagation(t *testing.T) {
	for mode, want := range map[string]string{"": "-", "private": "-", "shared": "shared:", "rshared": "shared:", "unbindable": "unbindable"} {
		b := newBundle(t, `awk '$5 == "/" { print $7 }' /proc/self/mountinfo`)
		b.spec.Linux.RootfsPropagation = mode
		if got := b.lines()[0]; !strings.HasPrefix(got, want) {
			t.Errorf("%q: the root is %q, want %q", mode, got, want)
		}
	}
}

func TestR10_LongConfig(t *testing.T) {
	b := newBundle(t, "ls /tmp | wc -l; echo ${#LONG}")
	b.spec.Process.Env = append(b.spec.Process.Env, "LONG="+strings.Repeat("x", 100<<10))
	b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"})
	for i := range 600 {
		b.spec.Mounts = append(b.spec.Mounts, specs.Mount{
			Destination: fmt.Sprintf("/tmp/%s-%03d", strings.Repeat("n", 120), i), Type: "bind", Source: "/etc/passwd", Options: []string{"bind", "ro"},
		})
	}
	b.want("600", fmt.Sprint(100<<10))
	// A map of more lines than the kernel takes is an error, not a cut map.
	b.spec.Linux.UIDMappings = nil
	for i := range uint32(4000) {
		b.spec.Linux.UIDMappings = append(b.spec.Linux.UIDMappings, specs.LinuxIDMapping{ContainerID: i, HostID: uint32(os.Geteuid()), Size: 1})
	}
	b.write()
	b.refused("map ids", "create", "c")
	b.nothingLeft()
}

// asRoot runs the program as root of a user namespace, as podman does.
func (b *bundle) asRoot() {
	b.attr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
}

func TestInsideAUserNamespace(t *testing.T) {
	b := newBundle(t, "id -u; readlink /proc/self/ns/user; cat /proc/self/uid_map | tr -s ' '")
	drop(b.spec, specs.UserNamespace)
	b.spec.Linux.UIDMappings, b.spec.Linux.GIDMappings = nil, nil
	b.asRoot()
	if got := b.lines(); len(got) != 3 || got[0] != "0" || got[2] != fmt.Sprintf(" 0 %d 1", os.Geteuid()) {
		t.Errorf("%q", got)
	}
}

func TestJoinNamespaces(t *testing.T) {
	b := newBundle(t, "hostname; sleep 1000")
	b.spec.Hostname = "first"
	out := b.create("first")
	b.must("start", "first")
	b.text(out, "first")
	proc := fmt.Sprintf("/proc/%d/ns/", b.pid("first"))
	b.spec.Process.Args[2] = "hostname; for n in net uts user ipc; do readlink /proc/self/ns/$n; done; ps | grep -c sleep"
	b.spec.Linux.UIDMappings, b.spec.Linux.GIDMappings, b.spec.Hostname = nil, nil, ""
	var want []string
	for _, name := range []string{"net", "uts", "user"} {
		link, err := os.Readlink(proc + name)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, link)
	}
	for i, n := range b.spec.Linux.Namespaces {
		switch n.Type {
		case specs.NetworkNamespace, specs.UTSNamespace, specs.UserNamespace, specs.PIDNamespace:
			b.spec.Linux.Namespaces[i].Path = proc + map[specs.LinuxNamespaceType]string{
				specs.NetworkNamespace: "net", specs.UTSNamespace: "uts", specs.UserNamespace: "user", specs.PIDNamespace: "pid",
			}[n.Type]
		}
	}
	got := b.lines()
	if len(got) != 6 || got[0] != "first" || strings.Join(got[1:4], " ") != strings.Join(want, " ") || got[5] == "0" {
		t.Errorf("%q, want the namespaces %q", got, want)
	}
	if ipc, _ := os.Readlink(proc + "ipc"); len(got) > 4 && got[4] == ipc {
		t.Error("the ipc namespace is the first container's")
	}
}
