// SPDX-License-Identifier: Apache-2.0

package spec_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/ids"
	"coracle/pkg/oci/spec"
)

func TestCapabilities(t *testing.T) {
	const twelve = "CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT"
	for _, c := range []struct {
		add, drop  string
		privileged bool
		want       string // names without CAP_, a count, or an error
	}{
		{"", "", false, twelve},
		{"NET_ADMIN", "", false, twelve + " NET_ADMIN"},
		{"net_admin cap_mknod", "", false, twelve + " NET_ADMIN MKNOD"},
		{"CHOWN", "", false, twelve},
		{"", "CHOWN cap_kill", false, "DAC_OVERRIDE FOWNER FSETID NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT"},
		{"CHOWN", "CHOWN", false, "DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT CHOWN"},
		{"", "ALL", false, ""},
		{"NET_RAW", "all", false, "NET_RAW"},
		{"ALL", "", false, "41"},
		{"ALL", "SYS_ADMIN MKNOD", false, "39"},
		{"", "", true, "41"},
		{"", "ALL", true, "41"},
		{"FLY", "", false, `invalid CapAdd: unknown capability: "CAP_FLY"`},
		{"", "FLY", false, `invalid CapDrop: unknown capability: "CAP_FLY"`},
		{"CAP_CAP_CHOWN", "", false, `invalid CapAdd: unknown capability: "CAP_CAP_CHOWN"`},
	} {
		caps, err := spec.Capabilities(strings.Fields(c.add), strings.Fields(c.drop), c.privileged)
		if err != nil {
			if err.Error() != c.want {
				t.Errorf("add %q drop %q: %v, want %s", c.add, c.drop, err, c.want)
			}
			continue
		}
		got := strings.ReplaceAll(strings.Join(caps.Bounding, " "), "CAP_", "")
		if n, err := json.Marshal(len(caps.Bounding)); got != c.want && (err != nil || string(n) != c.want) {
			t.Errorf("add %q drop %q: %s, want %s", c.add, c.drop, got, c.want)
		}
		if !slices.Equal(caps.Effective, caps.Bounding) || !slices.Equal(caps.Permitted, caps.Bounding) || caps.Inheritable != nil || caps.Ambient != nil {
			t.Errorf("add %q drop %q: sets %+v", c.add, c.drop, caps)
		}
	}
}

func TestNew(t *testing.T) {
	destinations := func(s *specs.Spec) (list []string) {
		for _, m := range s.Mounts {
			list = append(list, m.Destination)
		}
		return list
	}
	kinds := func(s *specs.Spec) (list []string) {
		for _, n := range s.Linux.Namespaces {
			list = append(list, string(n.Type))
		}
		slices.Sort(list)
		return list
	}
	own := []string{"/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"}
	all := []string{"cgroup", "ipc", "mount", "network", "pid", "uts"}
	for name, c := range map[string]struct {
		o          spec.Options
		mounts, ns []string
		masked     bool
	}{
		"default":        {spec.Options{}, own, all, true},
		"privileged":     {spec.Options{Privileged: true}, own, all, false},
		"unmasked":       {spec.Options{UnmaskPaths: true}, own, all, false},
		"host's network": {spec.Options{HostNet: true}, own, []string{"cgroup", "ipc", "mount", "pid", "uts"}, true},
		"all the host's": {spec.Options{HostNet: true, HostIPC: true, HostPID: true, HostUTS: true}, own, []string{"cgroup", "mount"}, true},
		"shm replaced": {spec.Options{Mounts: []specs.Mount{{Destination: "/dev/shm/", Type: "tmpfs"}}},
			[]string{"/proc", "/dev", "/dev/pts", "/dev/mqueue", "/sys", "/sys/fs/cgroup", "/dev/shm/"}, all, true},
		"dev replaced": {spec.Options{Mounts: []specs.Mount{{Destination: "/dev", Type: "bind"}}},
			[]string{"/proc", "/sys", "/sys/fs/cgroup", "/dev"}, all, true},
	} {
		c.o.Throttle = []string{"/hot"}
		s, err := spec.New(c.o)
		if err != nil {
			t.Fatal(err)
		}
		if got := destinations(s); !slices.Equal(got, c.mounts) {
			t.Errorf("%s: mounts %v, want %v", name, got, c.mounts)
		}
		if got := kinds(s); !slices.Equal(got, c.ns) {
			t.Errorf("%s: namespaces %v, want %v", name, got, c.ns)
		}
		if (len(s.Linux.MaskedPaths) > 0) != c.masked || (len(s.Linux.ReadonlyPaths) > 0) != c.masked {
			t.Errorf("%s: masks %v", name, s.Linux.MaskedPaths)
		}
		if slices.Contains(s.Linux.MaskedPaths, "/sys/kernel") != (c.o.HostNet && c.masked) {
			t.Errorf("%s: masks of the host's /sys: %v", name, s.Linux.MaskedPaths)
		}
		if slices.Contains(s.Linux.MaskedPaths, "/hot") != c.masked {
			t.Errorf("%s: masks of the throttle counters: %v", name, s.Linux.MaskedPaths)
		}
		if (s.Linux.Seccomp == nil) != c.o.Privileged {
			t.Errorf("%s: seccomp %v", name, s.Linux.Seccomp)
		}
		if s.Process.Cwd != "/" || s.Annotations != nil || s.Hooks != nil {
			t.Errorf("%s: cwd %q, annotations %v, hooks %v", name, s.Process.Cwd, s.Annotations, s.Hooks)
		}
	}
}

func TestSeccompProfiles(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"defaultAction":"SCMP_ACT_ALLOW"}`, ""},
		{`{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}`, ""},
		{`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"name":"read","action":"SCMP_ACT_ALLOW"}]}`, ""},
		{``, ""},   // the default
		{`{}`, ""}, // none, as in Docker
		{`unconfined`, ""},
		{`{`, "seccomp profile: "},
		{`[]`, "seccomp profile: "},
		{`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":"x"}`, "seccomp profile: "},
		{`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_ALLOW"}]}`, "seccomp profile: "},
		{`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86"}]}`, "seccomp profile: "},
	} {
		_, err := spec.New(spec.Options{Seccomp: c.text})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
}

func FuzzSeccompProfile(f *testing.F) {
	f.Add(`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":2,"op":"SCMP_CMP_EQ"}]}]}`)
	f.Add(`{}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := spec.New(spec.Options{Seccomp: text})
		if (s == nil) == (err == nil) {
			t.Errorf("%q: %v and %v", text, s, err)
		}
	})
}

// TestSingleIDHandsOver: with a single id, calls about files are handed over where a
// profile allows them, and nowhere else.
func TestSingleIDHandsOver(t *testing.T) {
	single := ids.Maps{UID: []ids.Map{{Size: 1}}, GID: []ids.Map{{Size: 1}}}
	hide := false
	answers := func(profile, name string) (list []string) {
		s, err := spec.New(spec.Options{Args: []string{"x"}, Maps: single, Identities: true, HideOwners: hide, Seccomp: profile})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range s.Linux.Seccomp.Syscalls {
			if slices.Contains(r.Names, name) {
				list = append(list, fmt.Sprint(r.Action, len(r.Args)))
			}
		}
		return append(list, string(s.Linux.Seccomp.DefaultAction))
	}
	const custom = `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["statx","fstat"],"action":"SCMP_ACT_ALLOW"},{"names":["openat"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":3,"op":"SCMP_CMP_EQ"}]}]}`
	const refuse, allow = "SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW"
	for _, c := range []struct {
		profile, name string
		want          []string
	}{
		{"", "newfstatat", []string{"SCMP_ACT_NOTIFY0", refuse}},
		{"", "read", []string{"SCMP_ACT_ALLOW0", refuse}},
		{"", "openat", []string{"SCMP_ACT_NOTIFY1", "SCMP_ACT_ALLOW1", refuse}},
		{custom, "fstat", []string{"SCMP_ACT_NOTIFY0", refuse}},
		{custom, "newfstatat", []string{refuse}},
		{custom, "openat", []string{"SCMP_ACT_NOTIFY2", "SCMP_ACT_ALLOW1", refuse}},
		{custom, "open", []string{refuse}},
		{"unconfined", "statx", []string{"SCMP_ACT_NOTIFY1", allow}},
		{"unconfined", "open", []string{"SCMP_ACT_NOTIFY1", allow}},
	} {
		if got := answers(c.profile, c.name); !slices.Equal(got, c.want) {
			t.Errorf("%.20s %s: %v, want %v", c.profile, c.name, got, c.want)
		}
	}
	hide = true
	for name, want := range map[string][]string{"newfstatat": {"SCMP_ACT_ALLOW0", refuse}, "openat": {"SCMP_ACT_ALLOW0", refuse}, "fchownat": {"SCMP_ACT_NOTIFY0", refuse}} {
		if got := answers("", name); !slices.Equal(got, want) {
			t.Errorf("with owners hidden: %s: %v, want %v", name, got, want)
		}
	}
}
