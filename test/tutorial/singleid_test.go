// SPDX-License-Identifier: Apache-2.0

package tutorial

import "testing"

// changed changes every id of a process in each of the ways there are, looks
// whether that was done, and whether children and programs know it.
const changed = `
import os, subprocess, sys, threading
def child():
    return subprocess.run(["python3", "-c", "import os; print(os.getresuid(), os.getresgid(), os.getgroups())"], capture_output=True, text=True).stdout.strip()
before = os.getresuid()
gone = os.pipe(); back = os.pipe()
elder = os.fork()
if elder == 0:
    os.read(gone[0], 1); print("elder", os.getresuid(), flush=True); os._exit(0)
os.setgroups([5, 7]); os.setgid(44); os.seteuid(33); os.seteuid(0); os.setuid(33)
os.write(gone[1], b"x"); os.waitpid(elder, 0)
print(before, os.getresuid(), os.getresgid(), os.getgroups())
print("child", child())
seen = []; t = threading.Thread(target=lambda: seen.append(os.getuid())); t.start(); t.join(); print("thread", seen)
for f in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.setresuid(1, 1, 1)):
    try: f(); print("came back")
    except PermissionError: pass
`

const changedOutput = `elder (0, 0, 0)
(0, 0, 0) (33, 33, 33) (44, 44, 44) [5, 7]
child (33, 33, 33) (44, 44, 44) [5, 7]
thread [33]`

// TestSingleIDChangesUsers runs programs that look whether their user has
// changed, where there is one id only: in a container, in a process that joins
// it, as a user of a custom profile, and in a build.
func TestSingleIDChangesUsers(t *testing.T) {
	u := newUser(t)
	u.env = append(u.env, "CORACLE_SINGLE_ID=1")
	u.image("python.tar", "python")
	u.image("busybox.tar", "busybox")

	for _, options := range [][]string{nil, {"--init"}, {"--security-opt", "seccomp=unconfined"}, {"--privileged"}, {"--network", "host"}} {
		args := append(append([]string{"run", "--rm"}, options...), "python", "python3", "-c", changed)
		if out := u.ok(args...); out != changedOutput {
			t.Errorf("%v:\n%s\nwant:\n%s", options, out, changedOutput)
		}
	}
	u.ok("run", "-d", "--name", "box", "busybox", "sleep", "1000")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"65534 65534", []string{"su", "-s", "/bin/sh", "nobody", "-c", "echo $(id -u) $(id -g)"}},
		{"65534", []string{"start-stop-daemon", "-S", "-c", "nobody", "-x", "/bin/id", "--", "-u"}},
		{"0", []string{"id", "-u"}},
	} {
		if out := u.ok(append([]string{"exec", "box"}, c.args...)...); out != c.want {
			t.Errorf("exec %v: %s, want %s", c.args, out, c.want)
		}
	}
	dir := u.home + "/context"
	u.write("context/Dockerfile", "FROM busybox\nRUN su -s /bin/sh nobody -c '[ $(id -u) = 65534 ]' && touch /done && chown nobody /done\n")
	u.ok("build", "-t", "built", dir)
	u.ok("run", "--rm", "built", "test", "-f", "/done")
}

// TestSingleIDRunsAsUsers begins as somebody else than root, where there is one id
// only: in a container, in processes that join it, and in a build.
func TestSingleIDRunsAsUsers(t *testing.T) {
	u := newUser(t)
	u.env = append(u.env, "CORACLE_SINGLE_ID=1")
	u.image("busybox.tar", "busybox")
	const who = "echo $(id -u):$(id -g):$(id -G)"
	for _, c := range []struct {
		want string
		args []string
	}{
		{"1000:1000:1000", []string{"-u", "1000:1000"}},
		{"1000:0:0", []string{"-u", "1000", "--init"}},
		{"1000:7:7 44", []string{"-u", "1000:7", "--group-add", "44"}},
		{"65534:65534:65534", []string{"-u", "nobody", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"}},
		{"2147483647:0:0", []string{"-u", "2147483647", "--privileged"}},
		{"0:5:5", []string{"-u", "0:5"}},
	} {
		if out := u.ok(append(append([]string{"run", "--rm"}, c.args...), "busybox", "sh", "-c", who)...); out != c.want {
			t.Errorf("%v: %s, want %s", c.args, out, c.want)
		}
	}
	u.ok("run", "-d", "--name", "box", "-u", "nobody", "busybox", "sleep", "1000")
	for want, args := range map[string][]string{"65534:65534:65534": {"box"}, "0:0:0": {"-u", "0", "box"}, "7:8:8": {"-u", "7:8", "box"}} {
		if out := u.ok(append(append([]string{"exec"}, args...), "sh", "-c", who)...); out != want && out != want+" 10" {
			t.Errorf("exec %v: %s, want %s", args, out, want)
		}
	}
	u.ok("rm", "-f", "box")

	u.write("context/Dockerfile", "FROM busybox\nUSER 1000:1000\nWORKDIR /home/app\nRUN [ $(id -u) = 1000 ] && touch done\n")
	u.ok("build", "-t", "built", u.home+"/context")
	if out := u.ok("run", "--rm", "built", "sh", "-c", who+"; ls; pwd"); out != "1000:1000:1000\ndone\n/home/app" {
		t.Errorf("as built: %s", out)
	}
}
