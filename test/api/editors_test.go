// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"coracle/internal/testutil"
)

// callsDocker is the program node with the modules that hack/clients.sh has installed,
// for what runs a program called docker.
func (u *user) callsDocker(needs string) (node, modules string) {
	u.t.Helper()
	modules = client(u.t, "node/node_modules")
	node, err := exec.LookPath("node")
	if err != nil {
		u.t.Skip("node is not installed")
	}
	if _, err := os.Stat(filepath.Join(modules, needs)); err != nil {
		u.t.Skipf("%s is not installed", needs)
	}
	u.calledDocker()
	u.env = append(u.env, "NODE_PATH="+modules)
	return node, modules
}

// TestVSCode does what VS Code's container extension does; the script checks what it
// gets.
func TestVSCode(t *testing.T) {
	u := newUser(t)
	node, _ := u.callsDocker("@microsoft/vscode-container-client")
	u.busybox()
	if r := u.finish(exec.Command(node, u.script("vscode.js"))); r.Code != 0 {
		t.Fatal(r.All())
	}
}

// devContainer is a project as people keep them for their editor: an image of its own,
// with a user, and with a feature on top.
var devContainer = []testutil.File{
	{Name: "app/.devcontainer/devcontainer.json", Text: `{
		// a comment, which the format has
		"build": {"dockerfile": "Dockerfile", "args": {"WHO": "me"}}, "remoteUser": "dev", "features": {"./feat": {"word": "hi"}},
		"containerEnv": {"IN": "side"}, "remoteEnv": {"REMOTE": "${containerEnv:IN} and out"}, "init": true, "capAdd": ["SYS_PTRACE"], "securityOpt": ["seccomp=unconfined"],
		"mounts": ["source=store-${devcontainerId},target=/store,type=volume"], "postCreateCommand": "echo created > ~/created", "postStartCommand": ["touch", "/home/dev/started"]}`},
	{Name: "app/.devcontainer/Dockerfile", Text: "FROM busybox\nARG WHO\nRUN echo dev:x:1000:1000::/home/dev:/bin/sh >> /etc/passwd && echo dev:x:1000: >> /etc/group && mkdir -p /home/dev && chown 1000:1000 /home/dev && echo $WHO > /who\n"},
	{Name: "app/.devcontainer/feat/devcontainer-feature.json", Text: `{"id": "feat", "version": "1.0.0", "name": "A feature", "options": {"word": {"type": "string", "default": "x"}}, "containerEnv": {"FEATURE": "yes"}}`},
	{Name: "app/.devcontainer/feat/install.sh", Text: "#!/bin/sh\nset -e\necho \"feature $WORD\" > /feature\n", Mode: 0o755},
	{Name: "group/compose.yaml", Text: "services:\n  app: {image: busybox, command: sleep 1000, volumes: [\".:/work\"], init: true}\n  db: {image: busybox, command: sleep 1000, init: true}\n"},
	{Name: "group/.devcontainer/devcontainer.json", Text: `{"dockerComposeFile": "../compose.yaml", "service": "app", "workspaceFolder": "/work", "containerEnv": {"A": "b"}, "features": {"./feat": {}}}`},
	{Name: "group/.devcontainer/feat/devcontainer-feature.json", Text: `{"id": "feat", "version": "1.0.0", "name": "A feature"}`},
	{Name: "group/.devcontainer/feat/install.sh", Text: "#!/bin/sh\necho grouped > /feature\n", Mode: 0o755},
}

// TestDevContainers is the life of a development container by the command line of Dev
// Containers, which is the engine of VS Code's.
func TestDevContainers(t *testing.T) {
	u := newUser(t)
	node, modules := u.callsDocker("@devcontainers/cli")
	u.busybox()
	u.write(devContainer...)
	u.env = append(u.env, "CORACLE_USERNS=keep-id") // files that the user makes are to be the caller's
	do := func(dir, verb string, args ...string) string {
		t.Helper()
		r := u.finish(exec.Command(node, append([]string{filepath.Join(modules, "@devcontainers/cli/devcontainer.js"), verb, "--workspace-folder", filepath.Join(u.home, dir)}, args...)...))
		if r.Code != 0 {
			t.Fatalf("devcontainer %s %v: %d\n%s", verb, args, r.Code, r.All())
		}
		return r.Out
	}
	up := func(dir string, args ...string) string {
		t.Helper()
		out, got := do(dir, "up", args...), struct{ Outcome, ContainerID string }{}
		if err := json.Unmarshal([]byte(out), &got); err != nil || got.Outcome != "success" {
			t.Fatalf("up: %v: %s", err, out)
		}
		return got.ContainerID
	}
	first := up("app")
	got := do("app", "exec", "sh", "-c", `cat /who /feature ~/created; echo "$IN, $REMOTE, $FEATURE, $(id -un)"; ls ~/started; touch made`)
	if want := "me\nfeature hi\ncreated\nside, side and out, yes, dev\n/home/dev/started\n"; strings.ReplaceAll(got, "\r", "") != want {
		t.Errorf("exec: %q, want %q", got, want)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(filepath.Join(u.home, "app/made"), &st); err != nil || int(st.Uid) != os.Getuid() {
		t.Errorf("what the user has made is %d's: %v", st.Uid, err)
	}
	if again := up("app"); again != first {
		t.Errorf("up again made another container: %s, then %s", first, again)
	}
	u.ok("stop", "-t", "0", first)
	if again := up("app"); again != first || u.ok("inspect", "-f", "{{.State.Running}}", first) != "true" {
		t.Errorf("up of a stopped one: %s, then %s", first, again)
	}
	if again := up("app", "--remove-existing-container"); again == first || u.result("inspect", first).Code == 0 {
		t.Errorf("the first is still there: %s, then %s", first, again)
	}
	testutil.Contains(t, do("app", "build", "--image-name", "built:1"), `"outcome":"success"`)
	testutil.Contains(t, u.ok("image", "inspect", "-f", `{{index .Config.Labels "devcontainer.metadata"}}`, "built:1"), `"remoteUser":"dev"`)
	testutil.Contains(t, do("app", "read-configuration"), `"workspaceFolder":"/workspaces/app"`)
	up("group")
	if got := do("group", "exec", "sh", "-c", "pwd; cat /feature; echo $A; nslookup db >/dev/null && echo found"); strings.ReplaceAll(got, "\r", "") != "/work\ngrouped\nb\nfound\n" {
		t.Errorf("exec beside others: %q", got)
	}
}
