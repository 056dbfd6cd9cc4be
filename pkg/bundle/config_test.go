// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// complete is a configuration that is taken.
const complete = `{"ociVersion":"1.0.2","root":{"path":"r"},"process":{"cwd":"/","args":["x"]},
	"linux":{"namespaces":[{"type":"mount"},{"type":"uts"}]}}`

func TestCheckNamesTheField(t *testing.T) {
	for _, c := range []struct{ change, want string }{ // merged over complete; the error's beginning, or nothing
		{`{}`, ""},
		{`{"ociVersion":"2.0.0"}`, `ociVersion: "2.0.0" is not supported`},
		{`{"root":{"path":""}}`, "root.path: missing"},
		{`{"process":{"cwd":"x"}}`, `process.cwd: "x" is not absolute`},
		{`{"process":{"args":[]}}`, "process.args: missing"},
		{`{"process":{"user":{"username":"x"}}}`, "process.user.username: not for Linux"},
		{`{"process":{"rlimits":[{"type":"RLIMIT_AS"},{"type":"RLIMIT_AS"}]}}`, "process.rlimits: RLIMIT_AS is there twice"},
		{`{"process":{"apparmorProfile":"x"}}`, "process.apparmorProfile: not supported"},
		{`{"process":{"apparmorProfile":"unconfined"}}`, ""},
		{`{"process":{"selinuxLabel":"x","apparmorProfile":"x"}}`, "process.apparmorProfile: not supported"},
		{`{"mounts":[{"type":"tmpfs"}]}`, "mounts[0].destination: missing"},
		{`{"mounts":[{"destination":"/a","options":["idmap"]}]}`, "mounts[0].options: idmap is not supported"},
		{`{"mounts":[{"destination":"/a"},{"destination":"/b","uidMappings":[{"size":1}]}]}`, "mounts[1].uidMappings: not supported"},
		{`{"hooks":{"poststop":[{"path":"x"}]}}`, `hooks.poststop[0].path: "x" is not absolute`},
		{`{"hooks":{"prestart":[{"path":"/x","timeout":0}]}}`, "hooks.prestart[0].timeout: must be above 0"},
		{`{"linux":{"namespaces":[]}}`, "linux.namespaces: a container needs a mount namespace of its own"},
		{`{"linux":{"namespaces":[{"type":"mount","path":"/proc/1/ns/mnt"}]}}`, "linux.namespaces: a container needs a mount namespace of its own"},
		{`{"linux":{"namespaces":[{"type":"mount"},{"type":"mount"}]}}`, "linux.namespaces: mount is there twice"},
		{`{"linux":{"namespaces":[{"type":"mount"},{"type":"time"}]}}`, `linux.namespaces: "time" is not supported`},
		{`{"linux":{"uidMappings":[{"size":1}]}}`, "linux.uidMappings: there is no user namespace to map for"},
		{`{"linux":{"namespaces":[{"type":"mount"},{"type":"user"}],"uidMappings":[{"size":1}]}}`, "linux.uidMappings, linux.gidMappings: missing"},
		{`{"linux":{"namespaces":[{"type":"mount"},{"type":"user","path":"/x"}],"uidMappings":[{"size":1}]}}`, "linux.uidMappings: a user namespace that is joined has its own"},
		{`{"hostname":"h","linux":{"namespaces":[{"type":"mount"}]}}`, "hostname: set without a UTS namespace"},
		{`{"hostname":"h"}`, ""},
		{`{"linux":{"rootfsPropagation":"odd"}}`, `linux.rootfsPropagation: "odd" is not known`},
		{`{"annotations":{"coracle.owners":"kept"}}`, `annotations[coracle.owners]: "kept" is not known, noted is`},
		{`{"linux":{"seccomp":{"listenerPath":"/x"}}}`, "linux.seccomp.listenerPath: not supported"},
		{`{"linux":{"personality":{"domain":"LINUX32"}}}`, "linux.personality: not supported"},
	} {
		var s specs.Spec
		for _, text := range []string{complete, c.change} {
			if err := json.Unmarshal([]byte(text), &s); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		err := check(&s)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.change, err, c.want)
		}
	}
}

func TestProcessWithoutCapabilitiesHasNone(t *testing.T) {
	var s specs.Spec
	if err := json.Unmarshal([]byte(complete), &s); err != nil {
		t.Fatal(err)
	}
	if err := check(&s); err != nil || s.Process.Capabilities == nil || len(s.Process.Capabilities.Bounding) > 0 {
		t.Errorf("%+v, %v", s.Process.Capabilities, err)
	}
}

func TestUserNamespaceWithoutMapsGetsTheCallers(t *testing.T) {
	t.Setenv("CORACLE_SINGLE_ID", "1")
	s := &specs.Spec{Version: "1.0.2", Root: &specs.Root{Path: "r"}, Linux: &specs.Linux{
		Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.UserNamespace}}}}
	if err := check(s); err != nil {
		t.Fatal(err)
	}
	m := maps(s)
	if m == nil || !m.Single() || m.UID[0].HostID != os.Geteuid() || m.GID[0].HostID != os.Getegid() {
		t.Errorf("%+v", m)
	}
	if m := maps(&specs.Spec{Linux: &specs.Linux{}}); m != nil {
		t.Errorf("maps out of nothing: %+v", m)
	}
}

func TestLoadMakesPathsAbsolute(t *testing.T) {
	dir := t.TempDir()
	text := `{"ociVersion":"1.0.2","root":{"path":"r"},"mounts":[{"destination":"/a","source":"src","options":["rbind"]},
		{"destination":"/b","source":"tmpfs","type":"tmpfs"},{"destination":"/c","source":"/abs","type":"bind"}],
		"linux":{"namespaces":[{"type":"mount"}]}}`
	if err := os.WriteFile(filepath.Join(dir, configFile), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := load(dir); err == nil || !strings.Contains(err.Error(), "is not a directory") {
		t.Errorf("without a root file system: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "r"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, data, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	var again specs.Spec
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*specs.Spec{"returned": s, "as text": &again} {
		if s.Root.Path != filepath.Join(dir, "r") {
			t.Errorf("%s: root %s", name, s.Root.Path)
		}
		want := []string{filepath.Join(dir, "src"), "tmpfs", "/abs"}
		for i, m := range s.Mounts {
			if m.Source != want[i] {
				t.Errorf("%s: mount %s of %s, want %s", name, m.Destination, m.Source, want[i])
			}
		}
		if s.Mounts[0].Type != "bind" {
			t.Errorf("%s: rbind is of type %q", name, s.Mounts[0].Type)
		}
	}
	for text, want := range map[string]string{`{`: "read bundle: config.json: ", `{"ociVersion":"0"}`: "config.json: ociVersion: "} {
		if err := os.WriteFile(filepath.Join(dir, configFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := load(dir); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if _, _, err := load(filepath.Join(dir, "none")); err == nil || !strings.HasPrefix(err.Error(), "read bundle: ") {
		t.Errorf("no bundle: %v", err)
	}
}

func TestLimits(t *testing.T) {
	var r specs.LinuxResources
	text := `{"memory":{"limit":1,"swap":2,"reservation":3},"cpu":{"quota":4,"period":5,"shares":6,"cpus":"0-1","mems":"0"},
		"pids":{"limit":0},"blockIO":{"weight":7}}`
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	l := limits(&r)
	if l.Memory != 1 || l.MemorySwap != 2 || l.MemoryReservation != 3 || l.CPUQuota != 4 || l.CPUPeriod != 5 || l.CPUShares != 6 ||
		l.CpusetCpus != "0-1" || l.CpusetMems != "0" || l.PidsLimit != -1 || l.BlkioWeight != 7 {
		t.Errorf("%+v", l)
	}
	for _, r := range []*specs.LinuxResources{nil, {}} {
		if l := limits(r); len(l.Controllers()) > 0 {
			t.Errorf("limits out of nothing: %+v", l)
		}
	}
}

func TestFeatures(t *testing.T) {
	f, err := Features()
	if err != nil {
		t.Fatal(err)
	}
	if !*f.Linux.Cgroup.V2 || *f.Linux.Cgroup.V1 || len(f.Linux.Capabilities) != 41 || len(f.Linux.Namespaces) != 7 {
		t.Errorf("%+v", f.Linux)
	}
}
