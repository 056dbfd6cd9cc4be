// SPDX-License-Identifier: Apache-2.0

package api

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// buildKit is a user with buildx and compose as plugins of Docker's command line.
func buildKit(t *testing.T) (u *user, docker string) {
	t.Helper()
	docker = client(t, "docker")
	plugins := map[string]string{"docker-buildx": client(t, "buildx"), "docker-compose": client(t, "compose")}
	u = newUser(t)
	dir := filepath.Join(u.home, ".docker/cli-plugins")
	err := os.MkdirAll(dir, 0o755)
	for name, file := range plugins {
		err = errors.Join(err, os.Symlink(file, filepath.Join(dir, name)))
	}
	if err != nil {
		t.Fatal(err)
	}
	u.busybox()
	return u, docker
}

const stagesFile = `FROM busybox AS base
ARG WHO=nobody
RUN echo hello $WHO > /who
FROM base AS secret
RUN --mount=type=secret,id=token sed s/^/read-/ /run/secrets/token
RUN --mount=type=secret,id=other test ! -e /run/secrets/other
FROM base AS fails
RUN echo before; exit 7
FROM scratch AS files
COPY --from=base /who /who
COPY sub /sub
FROM base AS all
COPY . /all
RUN cd /all && find . | sort && test $(stat -c %a sub/deep) = 751 && test sub/one -ef sub/hard && readlink sub/link
FROM base AS named
COPY --from=beside . /n
RUN cat /n/f
`

func (u *user) stages() string {
	dir := filepath.Join(u.home, "b")
	u.write(testutil.File{Name: "b/Dockerfile", Text: stagesFile}, testutil.File{Name: "b/.dockerignore", Text: "*.log\nhidden\n!keep.log\n"},
		testutil.File{Name: "b/a.log", Text: "x"}, testutil.File{Name: "b/keep.log", Text: "x"}, testutil.File{Name: "b/hidden/x", Text: "x"},
		testutil.File{Name: "b/sub/one", Text: "1"}, testutil.File{Name: "b/sub/deep/two", Text: "2"}, testutil.File{Name: "token", Text: "s3cret"},
		testutil.File{Name: "beside/f", Text: "content beside"})
	err := errors.Join(os.Link(filepath.Join(dir, "sub/one"), filepath.Join(dir, "sub/hard")), os.Symlink("one", filepath.Join(dir, "sub/link")),
		os.Chmod(filepath.Join(dir, "sub/deep"), 0o751))
	if err != nil {
		u.t.Fatal(err)
	}
	return dir
}

// TestBuildx builds with Docker's command line and its plugin.
func TestBuildx(t *testing.T) {
	u, docker := buildKit(t)
	dir := u.stages()
	build := func(args ...string) string {
		t.Helper()
		r := u.with(docker, append([]string{"build", "--progress=plain"}, append(args, dir)...)...)
		if r.Code != 0 {
			t.Fatalf("%v: %d\n%s", args, r.Code, r.All())
		}
		return r.All()
	}
	out := build("--target=base", "--build-arg=WHO=me", "-t", "one", "-t", "two:2", "--label=x=y", "--iidfile", filepath.Join(u.home, "id"), "--metadata-file", filepath.Join(u.home, "meta"))
	testutil.Contains(t, out, `using docker driver`, "[base 2/2] RUN echo hello me > /who", "naming to docker.io/library/two:2 done")
	id := u.ok("image", "inspect", "-f", "{{.Id}}", "one")
	if got, _ := os.ReadFile(filepath.Join(u.home, "id")); string(got) != id {
		t.Errorf("--iidfile has %q, not %q", got, id)
	}
	if got, _ := os.ReadFile(filepath.Join(u.home, "meta")); !strings.Contains(string(got), id) {
		t.Errorf("--metadata-file has %s", got)
	}
	if got := u.ok("run", "--rm", "two:2", "cat", "/who") + u.ok("image", "inspect", "-f", "{{.Config.Labels}}", "one"); got != "hello memap[x:y]" {
		t.Errorf("built is %q", got)
	}
	if got := u.works(docker, "buildx", "build", "-q", "--load", "--target=base", "--build-arg=WHO=me", "--label=x=y", dir); strings.TrimSpace(got) != id {
		t.Errorf("-q: %q", got)
	}
	testutil.Contains(t, build("--target=secret", "--secret=id=token,src="+filepath.Join(u.home, "token")), "read-s3cret")
	testutil.Contains(t, build("--target=named", "--build-context=beside="+filepath.Join(u.home, "beside")), "content beside")
	out = build("--target=all")
	testutil.Contains(t, out, "./sub/link", "./keep.log", "transferring context: ")
	if strings.Contains(out, "./a.log") || strings.Contains(out, "./hidden") {
		t.Errorf("what .dockerignore names came along:\n%s", out)
	}
	if out := build("--target=all"); strings.Contains(out, "./sub/link") {
		t.Errorf("the cache is not used:\n%s", out)
	}
}

// TestBuildxFails: what is wrong is said as BuildKit's clients say it.
func TestBuildxFails(t *testing.T) {
	u, docker := buildKit(t)
	dir := u.stages()
	for _, c := range []struct{ arg, want string }{
		{"--target=fails", "Dockerfile:8\n--------------------"},
		{"--target=fails", ">>> RUN echo before; exit 7"},
		{"--target=fails", `failed to solve: process "/bin/sh -c echo before; exit 7" did not complete successfully: exit code: 7`},
		{"--target=none", `target stage "none" could not be found`},
		{"--file=" + filepath.Join(dir, "sub/None"), "failed to read dockerfile: open None: no such file or directory"},
		{"--check", "unsupported request frontend.lint"},
		{"--platform=linux/amd64,linux/arm64", "Multi-platform build is not supported for the docker driver"},
		{"--allow=security.insecure", "security.insecure is not allowed"},
	} {
		r := u.with(docker, "build", "--progress=plain", c.arg, dir)
		if r.Code != 1 || !strings.Contains(r.All(), c.want) {
			t.Errorf("%s: %d\n%s\nlacks %q", c.arg, r.Code, r.All(), c.want)
		}
	}
	r := u.with(docker, "build", "https://example.com/repository.git")
	if r.Code != 1 || !strings.Contains(r.All(), "remote contexts are not supported: clone") {
		t.Errorf("a repository: %d %s", r.Code, r.All())
	}
}

// TestBuildxOutputs are files instead of an image.
func TestBuildxOutputs(t *testing.T) {
	u, docker := buildKit(t)
	dir := u.stages()
	to := filepath.Join(u.home, "out")
	u.works(docker, "build", "-q", "--target=files", "-o", to, dir)
	for name, want := range map[string]string{"who": "hello nobody\n", "sub/one": "1", "sub/hard": "1", "sub/deep/two": "2"} {
		if got, err := os.ReadFile(filepath.Join(to, name)); string(got) != want {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
	if link, err := os.Readlink(filepath.Join(to, "sub/link")); link != "one" {
		t.Errorf("the link is %q, %v", link, err)
	}
	out := u.works(docker, "build", "--target=files", "-o", "type=tar,dest=-", dir)
	in := tar.NewReader(strings.NewReader(out))
	var names []string
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	if got := strings.Join(names, " "); got != "sub/ sub/deep/ sub/deep/two sub/hard sub/link sub/one who" {
		t.Errorf("the archive has %s", got)
	}
	u.works(docker, "build", "-q", "--target=base", "-o", "type=cacheonly", dir)
	if left := u.ok("images", "-q"); strings.Count(left, "\n") != 0 { // busybox
		t.Errorf("images are made: %s", left)
	}
}

// TestBuildxStdin has the Dockerfile, or all, on standard input.
func TestBuildxStdin(t *testing.T) {
	u, docker := buildKit(t)
	var context bytes.Buffer
	w := tar.NewWriter(&context)
	for name, text := range map[string]string{"Other": "FROM busybox\nCOPY f /\nRUN cat /f\n", "f": "from an archive"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, text)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in, want string
		args     []string
	}{
		{"FROM busybox\nRUN echo from stdin\n", "from stdin", []string{"-"}},
		{"FROM busybox\nRUN ls /etc/hosts; cat /etc/hosts\n", "1.2.3.4\tname", []string{"--add-host=name:1.2.3.4", "--add-host=gw:host-gateway", "-f-", u.home}},
		{context.String(), "from an archive", []string{"-f", "Other", "-"}},
	} {
		cmd := exec.Command(u.bin, append([]string{"api", "--", docker, "build", "--progress=plain"}, c.args...)...)
		cmd.Stdin = strings.NewReader(c.in)
		if r := u.finish(cmd); r.Code != 0 || !strings.Contains(r.All(), c.want) {
			t.Errorf("%v: %d\n%s", c.args, r.Code, r.All())
		}
	}
}

// TestBuildxManyFiles takes a context of 10,000 files, of which one is large; and none of
// it for a build that copies nothing.
func TestBuildxManyFiles(t *testing.T) {
	u, docker := buildKit(t)
	dir := filepath.Join(u.home, "b")
	files := []testutil.File{
		{Name: "b/Dockerfile", Text: "FROM busybox AS none\nRUN true\nFROM busybox\nCOPY many /many\nCOPY large /\nRUN find /many -type f | wc -l; wc -c < /large\n"},
		{Name: "b/large", Text: strings.Repeat("0123456789abcdef", 1<<20)},
	}
	for i := range 10_000 {
		files = append(files, testutil.File{Name: fmt.Sprintf("b/many/%d/%d", i%100, i), Text: fmt.Sprint(i)})
	}
	u.write(files...)
	r := u.with(docker, "build", "--progress=plain", dir)
	if r.Code != 0 {
		t.Fatalf("%d\n%s", r.Code, r.All())
	}
	testutil.Contains(t, r.All(), " 10000\n", " 16777216\n")
	if out := u.with(docker, "build", "--progress=plain", "--target=none", dir).All(); strings.Contains(out, "transferring context") {
		t.Errorf("the context is sent for nothing:\n%s", out)
	}
}

// TestBuildxCanceled: a client that leaves leaves nothing.
func TestBuildxCanceled(t *testing.T) {
	u, docker := buildKit(t)
	host := u.engine()
	u.write(testutil.File{Name: "b/Dockerfile", Text: "FROM busybox\nCOPY f /\nRUN echo begun; sleep 1000\n"}, testutil.File{Name: "b/f", Text: "x"})
	cmd := exec.Command(docker, "build", "--progress=plain", filepath.Join(u.home, "b"))
	cmd.Env = append(u.env, "DOCKER_HOST="+host)
	said, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for buf := make([]byte, 4096); !strings.Contains(out.String(), " begun\n"); {
		n, err := said.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(&out, said)
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("the client ended with %v\n%s", err, out.String())
	}
	root := filepath.Join(u.home, "root")
	testutil.Eventually(t, "nothing is left of the build", func() bool {
		tmp, _ := os.ReadDir(filepath.Join(root, "tmp"))
		staged, _ := filepath.Glob(filepath.Join(root, "storage/overlay/staging/*"))
		return len(tmp)+len(staged) == 0
	})
	if again := u.with(docker, "build", "-q", "--target=none", filepath.Join(u.home, "b")); again.Code != 1 {
		t.Errorf("%+v", again)
	}
}

// TestOldBuildKit builds with a command line that has BuildKit's client in it.
func TestOldBuildKit(t *testing.T) {
	u := newUser(t)
	u.busybox()
	dir := u.stages()
	c := u.debian(u.engine())
	c.env = append(c.env, "DOCKER_BUILDKIT=1", "BUILDKIT_PROGRESS=plain")
	build := func(args ...string) testutil.Result { return c.do(append(append([]string{"build"}, args...), dir)...) }
	if r := build("--target=base", "--build-arg=WHO=me", "-t", "old", "--add-host=name:1.2.3.4", "--ulimit=nofile=99:99"); r.Code != 0 || u.ok("run", "--rm", "old", "cat", "/who") != "hello me" {
		t.Errorf("%d\n%s", r.Code, r.All())
	}
	if r := build("--target=secret", "--secret=id=token,src="+filepath.Join(u.home, "token")); r.Code != 0 || !strings.Contains(r.All(), "read-s3cret") {
		t.Errorf("a secret: %d\n%s", r.Code, r.All())
	}
	if r := build("-q", "--target=all"); r.Code != 0 || !strings.HasPrefix(r.Out, "sha256:") {
		t.Errorf("-q: %+v", r)
	}
	if r := build("--target=fails"); r.Code != 1 || !strings.Contains(r.All(), "did not complete successfully: exit code: 7") {
		t.Errorf("a command fails: %d\n%s", r.Code, r.All())
	}
	if r := build("--target=files", "-o", filepath.Join(u.home, "out")); r.Code != 0 {
		t.Errorf("files: %d\n%s", r.Code, r.All())
	}
	if got, err := os.ReadFile(filepath.Join(u.home, "out/sub/deep/two")); string(got) != "2" {
		t.Errorf("a file is %q, %v", got, err)
	}
	if r := c.do("build", "https://example.com/r.git"); r.Code != 1 || !strings.Contains(r.All(), "remote contexts are not supported") {
		t.Errorf("a repository: %d %s", r.Code, r.All())
	}
}

// TestBuildxBeside: what else the plugin asks for.
func TestBuildxBeside(t *testing.T) {
	u, docker := buildKit(t)
	u.write(testutil.File{Name: "b/Dockerfile", Text: "FROM busybox\nRUN echo x > /x\n"})
	u.works(docker, "build", "-q", filepath.Join(u.home, "b"))
	testutil.Contains(t, u.works(docker, "buildx", "ls"), "docker", "running", "linux/")
	testutil.Contains(t, u.works(docker, "buildx", "inspect"), "Driver:        docker", "Status:           running")
	testutil.Contains(t, u.works(docker, "buildx", "du"), "Reclaimable:")
	testutil.Contains(t, u.works(docker, "builder", "prune", "-f", "--filter", "until=24h"), "Total:\t0B")
	if got := u.works(docker, "buildx", "prune", "-af"); strings.Contains(got, "Total:\t0B") {
		t.Errorf("nothing is pruned: %s", got)
	}
}

const builtServices = `services:
  base:
    build: {context: ., args: {WHO: compose}}
    image: made-base
    command: cat /who
  top:
    build:
      context: .
      dockerfile_inline: |
        FROM below
        RUN echo top >> /who
      additional_contexts: {below: "service:base"}
    command: cat /who
`

// TestComposeBuildx builds services, of which one stands on another, as compose does
// with the plugin.
func TestComposeBuildx(t *testing.T) {
	u, docker := buildKit(t)
	u.write(testutil.File{Name: "app/compose.yaml", Text: builtServices}, testutil.File{Name: "app/Dockerfile", Text: "FROM busybox\nARG WHO\nRUN echo hello $WHO > /who\n"})
	file := filepath.Join(u.home, "app/compose.yaml")
	r := u.with(docker, "compose", "-f", file, "build")
	if r.Code != 0 {
		t.Fatalf("%d\n%s", r.Code, r.All())
	}
	testutil.Contains(t, r.All(), "naming to docker.io/library/made-base:latest", "naming to docker.io/library/app-top:latest", "Image made-base Built")
	if got := u.works(docker, "compose", "-f", file, "run", "--rm", "-T", "top"); !strings.HasSuffix(got, "\nhello compose\ntop\n") {
		t.Errorf("run: %q", got)
	}
	u.ok("rmi", "app-top")
	if r := u.with(docker, "compose", "-f", file, "up"); r.Code != 0 || !strings.Contains(r.Out, "hello compose") || !strings.Contains(r.Out, "top") {
		t.Errorf("up: %d\n%s", r.Code, r.All())
	}
	u.works(docker, "compose", "-f", file, "down", "--rmi", "all")
}
