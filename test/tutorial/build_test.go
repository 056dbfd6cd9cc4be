// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// context is a build context of the user's with these files, in turn names and
// texts.
func (u *user) context(files ...string) string {
	u.t.Helper()
	dir := filepath.Join(u.home, "context-"+strings.ReplaceAll(u.t.Name(), "/", "-"))
	for i := 0; i < len(files); i += 2 {
		p := filepath.Join(dir, files[i])
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(files[i+1]), 0o644)); err != nil {
			u.t.Fatal(err)
		}
	}
	return dir
}

// TestRunCannotRemoveFilesOfTheHost lets a RUN put a link to the host where the
// directory of a mount was made: what is removed after it is in the image.
func TestRunCannotRemoveFilesOfTheHost(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	victim := filepath.Join(u.home, "host", "victim")
	if err := os.MkdirAll(victim, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := u.context("Dockerfile", "FROM busybox\nRUN --mount=type=tmpfs,target=/made/victim mv /made /moved && ln -s "+filepath.Dir(victim)+" /made\n")
	u.ok("build", "--network", "none", "-t", "built", dir)
	if got := strings.TrimSpace(u.ok("run", "--rm", "--network", "none", "built", "readlink", "/made")); got != filepath.Dir(victim) {
		t.Errorf("the attack did not run: /made is %q", got)
	}
	if _, err := os.Stat(victim); err != nil {
		t.Errorf("the build removed a directory of the host: %v", err)
	}
}

// TestBuildTakesNothingOfTheCaller checks that mask, environment and
// descriptors stay with whoever builds.
func TestBuildTakesNothingOfTheCaller(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	dir := u.context("Dockerfile", "FROM busybox\nWORKDIR /w\nRUN mkdir d && touch f && umask >mask && env >env\nCOPY new/ /copied/\n", "new/f", "x")
	for _, mask := range []string{"000", "022", "077"} {
		u.t.Setenv("LEAKED", "yes")
		build := u.command("build", "--no-cache", "--network", "none", "-t", "built", dir)
		build.Args = append([]string{"sh", "-c", "umask " + mask + "; exec \"$@\"", "sh", build.Path}, build.Args[1:]...)
		sh, err := exec.LookPath("sh")
		if err != nil {
			t.Fatal(err)
		}
		build.Path, build.Env = sh, append(build.Environ(), "LEAKED=yes")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		got := u.ok("run", "--rm", "--network", "none", "built", "sh", "-c", "stat -c '%a' /w /w/d /w/f /copied; cat mask env")
		want := "755\n755\n644\n755\n0022\n"
		if !strings.HasPrefix(got, want) || strings.Contains(got, "LEAKED") {
			t.Errorf("with umask %s: %s, want %s", mask, got, want)
		}
	}
}

// TestBuildEndsWhenItIsTold checks that no pipe keeps a build that is ended.
func TestBuildEndsWhenItIsTold(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	pipe := filepath.Join(u.home, "pipe")
	if err := unix.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	dir := u.context("Dockerfile", "FROM busybox\nRUN --mount=type=secret,id=s true\n")
	for _, args := range [][]string{
		{"build", "--network", "none", "-"},
		{"build", "--network", "none", "-f", "-", dir},
		{"build", "--network", "none", "--secret", "id=s,src=" + pipe, dir},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		build := u.command(args...)
		build.Stdin = r
		stderr, err := build.StderrPipe()
		if err == nil {
			err = build.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1) // something is shown: the signal has its handler
		if _, err := stderr.Read(buf); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		if err := build.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		go func() { ended <- build.Wait() }()
		select {
		case err := <-ended:
			if err == nil {
				t.Errorf("%q: a build that was ended succeeded", args)
			}
		case <-time.After(60 * time.Second):
			t.Errorf("%q does not end", args)
			_ = build.Process.Kill()
		}
		r.Close()
		w.Close()
	}
}

// TestBuildOutputs checks where the result goes, and what a failed build leaves.
func TestBuildOutputs(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	dir := u.context("Dockerfile", "FROM scratch\nCOPY f /d/\n", "f", "text", "bad/Dockerfile", "FROM busybox\nRUN false\n")
	in := func(name string) string { return filepath.Join(u.home, name) }
	u.ok("build", "-o", in("out"), dir)
	if got, err := os.ReadFile(in("out/d/f")); err != nil || string(got) != "text" {
		t.Errorf("the local output has %q, %v", got, err)
	}
	u.ok("build", "-o", "type=tar,dest="+in("out.tar"), dir)
	if tar := u.ok("build", "-o", "-", dir); !strings.Contains(tar, "d/f") || !strings.Contains(tar, "text") {
		t.Errorf("the archive on standard output is %q", tar)
	}
	if got := u.ok("images", "-aq"); strings.Contains(got, "\n") {
		t.Errorf("images after builds with an output of their own: %q", got)
	}
	u.ok("build", "-o", "type=docker,dest="+in("image.tar"), "-t", "sent", dir)
	u.ok("rmi", "sent")
	u.ok("load", "-i", in("image.tar"))
	u.ok("rmi", "sent")

	for _, name := range []string{"iid", "meta"} {
		if err := os.WriteFile(in(name), []byte("of before"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	bad := filepath.Join(dir, "bad")
	u.result("build", "--network", "none", "--iidfile", in("iid"), "--metadata-file", in("meta"), bad)
	u.result("build", "--network", "none", "-o", "type=tar,dest="+in("bad.tar"), bad)
	for _, name := range []string{"iid", "meta", "bad.tar"} {
		if _, err := os.Stat(in(name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a failed build left %s: %v", name, err)
		}
	}
	if left, err := filepath.Glob(in(".coracle-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// TestBuildWords checks options that change nothing, and such as are refused.
func TestBuildWords(t *testing.T) {
	u := newUser(t)
	dir := u.context("Dockerfile", "FROM scratch\nCMD x\n")
	r := u.result("build", "-q", "--cache-from", "x", "--cache-to", "type=inline", "--provenance=false", "--sbom", "true",
		"--squash", "--load", "--builder", "default", "--allow", "network.host", "-D", dir)
	if r.Code != 0 || strings.Count(r.Err, "WARNING: ") != 4 || !strings.HasPrefix(r.Out, "sha256:") {
		t.Errorf("options without effect: %d, %s%s", r.Code, r.Out, r.Err)
	}
	for option, words := range map[string]string{
		"--builder=x": `no builder "x" found`, "--check": "--check is not supported", "--call=lint": "--call=lint is not supported",
		"--ssh=default": "--ssh is not supported", "--allow=security.insecure": "--allow security.insecure is not supported",
		"--platform=linux/amd64,linux/arm64": "an image here has one platform", "--output=type=x": `output type "x" is not supported`,
		"--build-context=a": "expected key=value", "--ulimit=x": "invalid ulimit argument: x", "--push": "tag is needed when pushing",
	} {
		if r := u.result("build", option, dir); r.Code == 0 || !strings.Contains(r.Err, words) {
			t.Errorf("build %s: %d, %s", option, r.Code, r.Err)
		}
	}
}
