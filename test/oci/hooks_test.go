// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestHooks(t *testing.T) {
	b := newBundle(t, "echo program")
	log := filepath.Join(b.dir, "log")
	hook := func(name string) []specs.Hook {
		return []specs.Hook{{
			Path: "/bin/sh", Args: []string{"sh", "-c", `printf '%s %s ' "$NAME" "$(readlink /proc/self/ns/mnt)" >>"$LOG"; cat >>"$LOG"; echo >>"$LOG"`},
			Env: []string{"NAME=" + name, "LOG=" + log, "PATH=/usr/bin:/bin"},
		}}
	}
	// In the container a hook writes to a file that the bundle binds there.
	inside := hook("startContainer")
	inside[0].Env[1] = "LOG=/tmp/log"
	b.spec.Hooks = &specs.Hooks{
		Prestart: hook("prestart"), CreateRuntime: hook("createRuntime"), CreateContainer: hook("createContainer"),
		StartContainer: inside, Poststart: hook("poststart"), Poststop: hook("poststop"),
	}
	if err := os.WriteFile(log, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: "/tmp", Type: "bind", Source: b.dir, Options: []string{"bind"}})
	b.create("c")
	first, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	b.must("start", "c")
	b.reap("c")
	b.must("delete", "c")
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	want := []struct {
		name, status string
		outside      bool
	}{
		{"prestart", "creating", true}, {"createRuntime", "creating", true}, {"createContainer", "creating", false},
		{"startContainer", "created", false}, {"poststart", "", true}, {"poststop", "stopped", true},
	}
	if len(lines) != len(want) {
		t.Fatalf("%q", lines)
	}
	for i, w := range want {
		f := strings.SplitN(lines[i], " ", 3)
		var st specs.State
		if err := json.Unmarshal([]byte(f[2]), &st); err != nil {
			t.Errorf("%q: %v", lines[i], err)
		}
		if f[0] != w.name || (f[1] == first) != w.outside || st.ID != "c" || w.status != "" && string(st.Status) != w.status || st.Bundle != b.dir {
			t.Errorf("hook %d: %q, want %+v", i, lines[i], w)
		}
		if w.status == "creating" && st.Pid != b.pid("c") {
			t.Errorf("%s was told pid %d, want %d", f[0], st.Pid, b.pid("c"))
		}
	}
}

func TestHooksThatFail(t *testing.T) {
	bad := []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "exit 3"}}}
	slow, second := []specs.Hook{{Path: "/bin/sleep", Args: []string{"sleep", "1000"}}}, 1
	slow[0].Timeout = &second
	for kind, h := range map[string]*specs.Hooks{
		"prestart": {Prestart: bad}, "createRuntime": {CreateRuntime: bad}, "createContainer": {CreateContainer: bad},
		"createRuntime[0]: /bin/sleep: signal: killed": {CreateRuntime: slow},
	} {
		b := newBundle(t, "true")
		b.spec.Hooks = h
		b.write()
		b.refused("hooks."+kind, "create", "c")
		b.nothingLeft()
	}
	b := newBundle(t, "sleep 1000")
	b.spec.Hooks = &specs.Hooks{StartContainer: bad}
	b.create("c")
	b.refused("hooks.startContainer[0]: /bin/sh: exit status 3", "start", "c")
	b.reap("c")
	b.spec.Hooks = &specs.Hooks{Poststart: bad}
	b.create("d")
	b.refused("hooks.poststart[0]", "start", "d")
	b.reap("d")
	b.spec.Hooks = &specs.Hooks{Poststop: bad}
	b.create("e")
	r := b.oci("delete", "--force", "e")
	if r.Code != 0 || !strings.Contains(r.Err, "Warning: hooks.poststop[0]") {
		t.Errorf("%+v", r)
	}
}
