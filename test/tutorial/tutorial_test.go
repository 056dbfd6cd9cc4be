// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"coracle/internal/testutil"
)

// TestTutorial goes through the tutorial with the example application.
func TestTutorial(t *testing.T) {
	u := newUser(t)
	app := filepath.Join(u.home, "app")
	if err := os.CopyFS(app, os.DirFS(u.fixture("examples/friendlyhello"))); err != nil {
		t.Fatal(err)
	}
	u.image("python.tar", "python:3-slim")

	// Build, with the flags behind and before the argument.
	r := u.result("build", app, "-t", "friendlyhello")
	if r.Code != 0 {
		t.Fatalf("build: %s", r.Err)
	}
	testutil.Contains(t, r.Err, "[1/5] FROM docker.io/library/python:3-slim", "RUN pip install -r requirements.txt", "naming to docker.io/library/friendlyhello:latest")
	again := u.result("build", "-t", "friendlyhello:v0.1", app)
	if n := strings.Count(again.Err, " CACHED"); n != 5 {
		t.Errorf("second build: %d steps are cached, want 5:\n%s", n, again.Err)
	}
	testutil.Contains(t, u.ok("image", "ls"), "REPOSITORY", "friendlyhello   latest", "friendlyhello   v0.1")

	// Run in the foreground, and Ctrl+C.
	port := testutil.FreePort(t)
	fg := u.command("run", "-p", port+":5000", "friendlyhello")
	if err := fg.Start(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, "http://localhost:"+port+"/"); got != "Hello, World!\n" {
		t.Errorf("GET / = %q", got)
	}
	testutil.Contains(t, get(t, "http://localhost:"+port+"/status"), "no Redis, not counted")
	if err := fg.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	// The application takes the signal itself, and its server ends with 0.
	err := fg.Wait()
	if own := u.ok("inspect", "-f", "{{.State.ExitCode}}", u.ok("ps", "-lq")); own != "0" || fg.ProcessState.ExitCode() != 0 {
		t.Errorf("after Ctrl+C: %v, and the container ended with %s, want 0 and 0", err, own)
	}

	// Run in the background.
	id := u.ok("run", "-d", "--name", "web", "-p", port+":5000", "friendlyhello")
	if len(id) != 64 {
		t.Errorf("run -d printed %q, want the long ID", id)
	}
	testutil.Contains(t, get(t, "http://localhost:"+port+"/status"), "host: "+id[:12])
	testutil.Contains(t, u.ok("container", "ls"), id[:12], "friendlyhello", "0.0.0.0:"+port+"->5000/tcp", "web")
	if got := u.ok("ps", "-q"); got != id[:12] {
		t.Errorf("ps -q = %q, want %q", got, id[:12])
	}
	testutil.Contains(t, u.ok("port", "web"), "5000/tcp -> 0.0.0.0:"+port)
	testutil.Eventually(t, "the request is in the log", func() bool {
		r := u.result("logs", id[:3])
		return strings.Contains(r.Out+r.Err, "GET /status")
	})
	if got := u.ok("inspect", "-f", "{{.State.Running}} {{.Config.Image}}", "web"); got != "true friendlyhello" {
		t.Errorf("inspect = %q", got)
	}
	u.ok("container", "stop", "-t", "1", id[:12])
	testutil.Contains(t, u.ok("container", "ls", "-a"), "Exited (137)")
	u.ok("start", "web")
	get(t, "http://localhost:"+port+"/")
	u.ok("kill", "web")
	if got := u.ok("wait", "web"); got != "137" {
		t.Errorf("wait = %q, want 137", got)
	}
	u.ok(append([]string{"container", "rm"}, strings.Fields(u.ok("container", "ls", "-a", "-q"))...)...)
	if got := u.ok("ps", "-aq"); got != "" {
		t.Errorf("ps -aq = %q after removing all", got)
	}
	t.Run("share", func(t *testing.T) {
		half := *u
		half.t = t
		shareImage(t, &half)
	})
}

// shareImage is the second half: a registry, and running elsewhere.
func shareImage(t *testing.T, u *user) {
	if _, err := exec.LookPath("docker-registry"); err != nil {
		t.Skip("docker-registry is not installed")
	}
	addr := startRegistry(t, u)
	name := addr + "/andem/get-started:part2"
	u.ok("tag", "friendlyhello", name)
	u.fails(1, []string{"denied", "docker login"}, "push", name)
	u.fails(1, []string{"401 Unauthorized"}, "login", "-u", "andem", "-p", "wrong", addr)
	login := u.command("login", "-u", "andem", "--password-stdin", addr)
	login.Stdin = strings.NewReader("s3cret\n")
	if r := u.finish(login); r.Code != 0 || !strings.Contains(r.Out, "Login Succeeded") {
		t.Fatalf("login: %d %s%s", r.Code, r.Out, r.Err)
	}
	info, err := os.Stat(filepath.Join(u.home, ".docker", "config.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("credentials: %v %v, want mode 0600", info, err)
	}
	testutil.Contains(t, u.ok("push", name), "The push refers to repository ["+addr+"/andem/get-started]", ": Pushed", "part2: digest: sha256:")
	testutil.Contains(t, u.ok("push", name), ": Layer already exists")
	if got := u.ok("search", "--format", "{{.Name}}", addr+"/started"); got != "andem/get-started" {
		t.Errorf("search: %q", got)
	}

	// Elsewhere: another machine has none of this.
	there := newUser(t)
	there.env = append(there.env, "DOCKER_CONFIG="+filepath.Join(u.home, ".docker"), "XDG_CONFIG_HOME="+filepath.Join(u.home, ".config"))
	r := there.result("run", "--rm", name, "python3", "-c", "import flask; print('flask is here')")
	if r.Code != 0 || strings.TrimSpace(r.Out) != "flask is here" {
		t.Fatalf("run elsewhere: %d %s%s", r.Code, r.Out, r.Err)
	}
	testutil.Contains(t, r.Err, "Unable to find image '"+name+"' locally", "part2: Pulling from andem/get-started", ": Pull complete", "Status: Downloaded newer image for "+name)
	testutil.Contains(t, there.ok("pull", name), "Status: Image is up to date for "+name)

	testutil.Contains(t, u.ok("logout", addr), "Removing login credentials for "+addr)
	u.fails(1, []string{"denied"}, "push", name)
	u.fails(1, []string{"unexpected status code 401", "log in with `coracle login " + addr + "`"}, "search", addr+"/started")
	u.ok(append([]string{"image", "rm", "-f"}, strings.Fields(u.ok("image", "ls", "-a", "-q"))...)...)
	if got := u.ok("image", "ls", "-aq"); got != "" {
		t.Errorf("image ls -aq = %q after removing all", got)
	}
}
