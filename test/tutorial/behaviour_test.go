// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	account "os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// TestExitCodes checks that codes are those of docker.
func TestExitCodes(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	for _, tt := range []struct {
		args []string
		code int
	}{
		{[]string{"true"}, 0},
		{[]string{"sh", "-c", "exit 42"}, 42},
		{[]string{"nosuchcommand"}, 127},
		{[]string{"/nosuch/file"}, 127},
		{[]string{"/etc/passwd"}, 126},
		{[]string{"/etc"}, 126},
		{[]string{"sh", "-c", "sleep 1000 & kill -9 $!; wait $!"}, 137},
		{[]string{"sh", "-c", "sleep 1000 & kill -15 $!; wait $!"}, 143},
	} {
		if r := u.result(append([]string{"run", "--rm", "--network", "none", "busybox"}, tt.args...)...); r.Code != tt.code {
			t.Errorf("run %v: exit code %d, want %d: %s", tt.args, r.Code, tt.code, r.Err)
		}
	}
	u.fails(125, []string{"unknown flag: --nosuch"}, "run", "--nosuch", "busybox")
}

// TestBadInput checks the words and the codes of mistakes.
func TestBadInput(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	dead := noRegistry(t)
	u.ok("run", "-d", "--name", "taken", "--network", "none", "busybox", "sleep", "1000")
	for _, tt := range []struct {
		args  []string
		code  int
		words []string
	}{
		{[]string{"run", dead + "/nosuch"}, 125, []string{"Unable to find image '" + dead + "/nosuch:latest' locally", "connection refused"}},
		{[]string{"pull", dead + "/x"}, 1, []string{"connection refused"}},
		{[]string{"pull", "UPPER"}, 1, []string{"invalid reference format", "must be lowercase"}},
		{[]string{"run", "--name", "taken", "busybox", "true"}, 125, []string{`Conflict. The container name "/taken" is already in use`}},
		{[]string{"stop", "nosuch"}, 1, []string{"No such container: nosuch"}},
		{[]string{"rmi", "nosuch"}, 1, []string{"No such image: nosuch:latest"}},
		{[]string{"rmi", "busybox"}, 1, []string{"conflict: unable to", "is being used by running container"}},
		{[]string{"rm", "taken"}, 1, []string{"container is running: stop the container before removing or force remove"}},
		{[]string{"inspect", "nosuch"}, 1, []string{"no such object: nosuch"}},
		{[]string{"tag", "nosuch", "x"}, 1, []string{"No such image: nosuch:latest"}},
		{[]string{"push", dead + "/nosuch"}, 1, []string{"An image does not exist locally with the tag: " + dead + "/nosuch"}},
		{[]string{"nosuch"}, 1, []string{"unknown command: coracle nosuch"}},
		{[]string{"build"}, 1, []string{"requires 1 argument"}},
		{[]string{"build", "/nosuch"}, 1, []string{`path "/nosuch" not found`}},
		{[]string{"run", "-p", "99999:1", "busybox", "true"}, 125, []string{"invalid hostPort: 99999"}},
		{[]string{"run", "-v", "a:/b:nosuch", "busybox", "true"}, 125, []string{"invalid mode: nosuch"}},
		{[]string{"run", "--network", "nosuch", "busybox", "true"}, 125, []string{"network nosuch not found"}},
		{[]string{"run", "-p", "80:80", "busybox", "true"}, 125, []string{"net.ipv4.ip_unprivileged_port_start", "-p 80"}},
		{[]string{"login", "-u", "x", "-p", "y", dead}, 1, []string{"connection refused"}},
		{[]string{"login", dead}, 1, []string{"cannot perform an interactive login from a non-TTY device"}},
	} {
		u.fails(tt.code, tt.words, tt.args...)
	}
	// The port is asked for when the container is there.
	if n := len(strings.Fields(u.ok("ps", "-aq"))); n != 2 {
		t.Errorf("%d containers after failed runs, want 2", n)
	}
}

// TestBadBuild checks BuildKit's way to say what is wrong with a Dockerfile.
func TestBadBuild(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	dir := filepath.Join(u.home, "context")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	u.fails(1, []string{"ERROR: failed to build: failed to solve: failed to read dockerfile: open Dockerfile: no such file or directory"}, "build", dir)
	for _, tt := range []struct {
		file  string
		words []string
	}{
		{"FROM busybox\nFOO bar\n", []string{"Dockerfile:2", "   2 | >>> FOO bar", "dockerfile parse error on line 2: unknown instruction: FOO"}},
		{"FROM busybox\nCOPY nosuch /\n", []string{`"/nosuch": not found`, ">>> COPY nosuch /"}},
		{"FROM busybox\nCOPY ../../../etc/passwd /\n", []string{`"/etc/passwd": not found`}},
		{"FROM busybox\nRUN echo before; exit 7\n", []string{` > [2/2] RUN echo before; exit 7:`, "before", `process "/bin/sh -c echo before; exit 7" did not complete successfully: exit code: 7`}},
		{"\n", []string{"cannot be empty"}},
		{"RUN x\n", []string{"no build stage in current context"}},
	} {
		u.write("context/Dockerfile", tt.file)
		u.fails(1, tt.words, "build", "--network", "none", dir)
	}
	if got := u.ok("images", "-aq"); len(strings.Fields(got)) != 1 {
		t.Errorf("images after failed builds: %q, want the base alone", got)
	}
}

// TestBuildInstructions checks what instructions leave in an image.
func TestBuildInstructions(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.write("context/Dockerfile", `ARG BASE=busybox
FROM $BASE AS base
WORKDIR /work
COPY . .
ADD part.txt /added/
RUN echo made > made.txt && rm /etc/group && mkdir -p /etc/sub
FROM base AS unused
RUN exit 1
FROM busybox
ARG VERSION=1
ENV NAME World
ENV A=one B="two words"
LABEL org.example.version=$VERSION
COPY --from=base --chown=65534:0 /work/made.txt /x/
COPY --from=base /etc/sub /etc/sub
RUN ["sh", "-c", "test -f /x/made.txt && echo $VERSION > /version"]
EXPOSE 5000 53/udp
USER nobody
ENTRYPOINT ["echo"]
CMD ["default"]
`)
	u.write("context/part.txt", "part\n")
	u.write("context/skipped/secret", "secret\n")
	u.write("context/.dockerignore", "skipped\n!skipped/kept\n")
	u.write("context/skipped/kept", "kept\n")
	dir := filepath.Join(u.home, "context")
	u.ok("build", "--network", "none", "-t", "built", "--build-arg", "VERSION=2", dir)
	u.ok("build", "--network", "none", "-t", "first", "--target", "base", dir)

	if got := u.ok("run", "--rm", "--network", "none", "built"); got != "default" {
		t.Errorf("run = %q", got)
	}
	if got := u.ok("run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "sh", "built", "-c", "cat /version; echo $NAME $A $B; stat -c %u /x/made.txt"); got != "2\nWorld one two words\n65534" && got != "2\nWorld one two words\n0" {
		t.Errorf("in the image: %q", got)
	}
	if got := u.ok("run", "--rm", "--network", "none", "first", "sh", "-c", "ls /work /work/skipped; ls /etc/group 2>&1; cat /added/part.txt; pwd"); got !=
		"/work:\nDockerfile\nmade.txt\npart.txt\nskipped\n\n/work/skipped:\nkept\nls: /etc/group: No such file or directory\npart\n/work" {
		t.Errorf("in the first stage: %q", got)
	}
	if got := u.ok("inspect", "-f", "{{json .Config.ExposedPorts}} {{.Config.User}} {{json .Config.Cmd}} {{index .Config.Labels \"org.example.version\"}}", "built"); got !=
		`{"5000/tcp":{},"53/udp":{}} nobody ["default"] 2` {
		t.Errorf("configuration: %s", got)
	}
	// A change of one file runs what depends on it, and no more.
	u.write("context/part.txt", "other\n")
	r := u.result("build", "--network", "none", "-t", "built", "--build-arg", "VERSION=2", dir)
	testutil.Contains(t, r.Err, "[base 2/5] WORKDIR /work\n#", "CACHED")
	if strings.Count(r.Err, " CACHED") < 3 || !strings.Contains(r.Err, "COPY . .\n") {
		t.Errorf("after a change:\n%s", r.Err)
	}
}

// singleID reports whether this user has no subordinate ids.
func singleID(t *testing.T) bool {
	t.Helper()
	me, err := account.Current()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("/etc/subuid")
	return err != nil || !strings.Contains("\n"+string(data), "\n"+me.Username+":")
}

// TestKilled kills coracle's processes without warning: what was said to be
// done is there, and the next command works.
func TestKilled(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	port := testutil.FreePort(t)
	u.ok("run", "-d", "--name", "victim", "-p", port+":80", "busybox", "sleep", "1000")
	pid := u.ok("inspect", "-f", "{{.State.Pid}}", "victim")
	if err := syscall.Kill(parent(t, pid), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the container is seen as dead", func() bool { return strings.Contains(u.ok("ps", "-a"), "Exited (137)") })
	u.ok("start", "victim")
	if got := u.ok("exec", "victim", "echo", "alive"); got != "alive" {
		t.Errorf("after a restart: %q", got)
	}
	u.ok("rm", "-f", "victim")

	u.write("context/Dockerfile", "FROM busybox\nRUN echo one > /one\nRUN echo begun; sleep 1000\n")
	build := u.command("build", "--network", "none", filepath.Join(u.home, "context"))
	stderr, err := build.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := build.Start(); err != nil {
		t.Fatal(err)
	}
	for sc := bufio.NewScanner(stderr); sc.Scan(); {
		if strings.HasSuffix(sc.Text(), " begun") {
			_ = build.Process.Kill()
			break
		}
	}
	_ = build.Wait()
	u.write("context/Dockerfile", "FROM busybox\nRUN echo one > /one\n")
	r := u.result("build", "--network", "none", "-t", "after", filepath.Join(u.home, "context"))
	if r.Code != 0 || !strings.Contains(r.Err, "CACHED") {
		t.Errorf("build after a killed one: %d\n%s", r.Code, r.Err)
	}
}

// parent is the process whose child pid is.
func parent(t *testing.T, pid string) int {
	t.Helper()
	data, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	ppid, err := strconv.Atoi(strings.Fields(rest)[1])
	if err != nil {
		t.Fatal(err)
	}
	return ppid
}

// TestSideBySide runs many commands at once on one store.
func TestSideBySide(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	var wg sync.WaitGroup
	for i := range 6 {
		dir := fmt.Sprintf("context%d", i)
		u.write(dir+"/Dockerfile", fmt.Sprintf("FROM busybox\nRUN echo same > /same\nRUN echo %d > /own\n", i))
		name := fmt.Sprintf("image%d", i)
		wg.Go(func() {
			if r := u.result("build", "-q", "--network", "none", "-t", name, filepath.Join(u.home, dir)); r.Code != 0 {
				t.Errorf("build %s: %s", name, r.Err)
				return
			}
			if r := u.result("run", "--rm", "--network", "none", name, "cat", "/own"); strings.TrimSpace(r.Out) != strconv.Itoa(i) {
				t.Errorf("run %s: %q %s", name, r.Out, r.Err)
			}
			if r := u.result("tag", name, "shared"); r.Code != 0 {
				t.Errorf("tag %s: %s", name, r.Err)
			}
		})
	}
	wg.Wait()
	if n := strings.Count(u.ok("images"), "image"); n < 6 {
		t.Errorf("images:\n%s", u.ok("images"))
	}
}

// TestNetwork checks what a container may reach, and who it sees.
func TestNetwork(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintln(c, "host's loopback")
			c.Close()
		}
	}()
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	for _, dst := range []string{"127.0.0.1", "10.0.2.2", "169.254.169.254"} {
		if r := u.result("run", "--rm", "busybox", "nc", "-w", "3", dst, port); strings.Contains(r.Out, "host's") {
			t.Errorf("the host's loopback is reached at %s", dst)
		}
	}
	if got := u.ok("run", "--rm", "--add-host", "me:host-gateway", "busybox", "nc", "-w", "5", "me", port); got != "host's loopback" {
		t.Errorf("host-gateway: %q", got)
	}
	if got := u.ok("run", "--rm", "--network", "host", "busybox", "nc", "-w", "5", "127.0.0.1", port); got != "host's loopback" {
		t.Errorf("network host: %q", got)
	}
	if got := u.ok("run", "--rm", "--network", "none", "busybox", "ip", "-o", "link"); strings.Count(got, "\n") != 0 {
		t.Errorf("network none has more than loopback:\n%s", got)
	}
}

// TestPublish checks published ports over TCP and UDP.
func TestPublish(t *testing.T) {
	u := newUser(t)
	u.image("python.tar", "python")
	server := `
import socket, threading
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 53))
    while True:
        data, _ = s.recvfrom(65535); s.sendto(data.upper(), _)
threading.Thread(target=udp, daemon=True).start()
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("", 80)); s.listen(64)
while True:
    c, peer = s.accept(); c.sendall(peer[0].encode() + b"\n")
    while c.recv(65536): pass
    c.sendall(b"end\n"); c.close()
`
	u.ok("run", "-d", "--name", "server", "-p", "127.0.0.1::80", "-p", "127.0.0.1::53/udp", "python", "python3", "-c", server)
	tcp := strings.Fields(u.ok("port", "server", "80/tcp"))[0]
	var c net.Conn
	var first string
	testutil.Eventually(t, "the server answers", func() bool {
		var err error
		if c, err = net.Dial("tcp", tcp); err != nil {
			return false
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		first, err = bufio.NewReader(c).ReadString('\n')
		return err == nil
	})
	if seen := strings.TrimSpace(first); seen == "127.0.0.1" || net.ParseIP(seen) == nil {
		t.Errorf("the server sees %q", seen)
	}
	// Half-close: our end is said, theirs still comes.
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, _ := bufio.NewReader(c).ReadString('\n'); rest != "end\n" {
		t.Errorf("after half-close: %q", rest)
	}
	uc, err := net.Dial("udp", strings.Fields(u.ok("port", "server", "53/udp"))[0])
	if err != nil {
		t.Fatal(err)
	}
	defer uc.Close()
	_ = uc.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(uc, "ping")
	buf := make([]byte, 16)
	if n, err := uc.Read(buf); err != nil || string(buf[:n]) != "PING" {
		t.Errorf("UDP: %q %v", buf[:n], err)
	}
	u.fails(125, []string{"Bind for " + tcp + " failed: port is already allocated"}, "run", "--rm", "-p", tcp+":80", "python", "true")
}

// TestStreams checks pipes, exec and volumes.
func TestStreams(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	data := strings.Repeat("0123456789abcdef", 1<<16)
	cat := u.command("run", "-i", "--rm", "--network", "none", "busybox", "cat")
	cat.Stdin = strings.NewReader(data)
	if r := u.finish(cat); r.Out != data {
		t.Errorf("1 MiB through cat: %d bytes came back: %s", len(r.Out), r.Err)
	}
	u.ok("run", "-d", "--name", "box", "--network", "none", "-e", "X=1", "-v", "vol:/data", "-w", "/tmp", "busybox", "sleep", "1000")
	if got := u.ok("exec", "-e", "Y=2", "box", "sh", "-c", "echo $X $Y; pwd; hostname"); got != "1 2\n/tmp\n"+u.ok("ps", "-q") {
		t.Errorf("exec: %q", got)
	}
	if r := u.result("exec", "box", "sh", "-c", "exit 9"); r.Code != 9 {
		t.Errorf("exec: exit code %d, want 9", r.Code)
	}
	u.ok("exec", "box", "sh", "-c", "echo kept > /data/file")
	if got := u.ok("run", "--rm", "--network", "none", "-v", "vol:/mnt:ro", "busybox", "sh", "-c", "cat /mnt/file; touch /mnt/x 2>&1 | grep -o 'Read-only'"); got != "kept\nRead-only" {
		t.Errorf("volume: %q", got)
	}
}

// TestDockerName checks the program under the name that scripts use.
func TestDockerName(t *testing.T) {
	u := newUser(t)
	docker := filepath.Join(u.home, "docker")
	if err := os.Symlink(u.bin, docker); err != nil {
		t.Fatal(err)
	}
	u.bin = docker
	u.fails(1, []string{"Error response from daemon: No such container: nosuch"}, "stop", "nosuch")
	u.fails(1, []string{"docker: unknown command: docker nosuch"}, "nosuch")
}

// TestDiskFull fills a small file system: the command says so, leaves nothing
// behind, and smaller things still work.
func TestDiskFull(t *testing.T) {
	u := newUser(t)
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip("unshare is not installed")
	}
	script := fmt.Sprintf(`mount -t tmpfs -o size=24m tmpfs %[1]s || exit 99
CORACLE_ROOT=%[1]s/root; export CORACLE_ROOT
%[2]s import %[3]s big; echo "big $?"
ls $CORACLE_ROOT/tmp
%[2]s import %[4]s small; echo "small $?"
%[2]s run --rm --network none small echo runs`, u.home+"/full", u.bin, u.fixture("python.tar"), u.fixture("busybox.tar"))
	if err := os.Mkdir(u.home+"/full", 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(unshare, "-rm", "sh", "-c", script)
	cmd.Env = u.env
	r := u.finish(cmd)
	if r.Code == 99 {
		t.Skipf("no tmpfs in a user namespace here: %s", r.Err)
	}
	lines := strings.Split(strings.TrimSpace(r.Out), "\n")
	if len(lines) != 4 || lines[0] != "big 1" || lines[2] != "small 0" || lines[3] != "runs" {
		t.Errorf("out: %q\n%s", lines, r.Err)
	}
	testutil.Contains(t, r.Err, "no space left on device", "--root or CORACLE_ROOT")
}
