// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"strings"
	"syscall"
	"testing"

	"coracle/internal/testutil"
)

// waits is a first process that ends on SIGTERM and leaves children alone.
const waits = "trap 'exit 5' TERM; while :; do sleep 0.1; done"

// TestPIDNamespaceOfAnotherContainer has containers among the processes of one that runs.
func TestPIDNamespaceOfAnotherContainer(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	one := u.ok("run", "-d", "--name", "one", "busybox", "sh", "-c", waits)
	two := u.ok("run", "-d", "--name", "two", "--pid", "container:one", "busybox", "sh", "-c", "sleep 2001 & exec sleep 2002")
	pid := func(name string) string { return u.ok("exec", name, "readlink", "/proc/self/ns/pid") }
	if a, b := pid("one"), pid("two"); a != b {
		t.Errorf("pid namespaces %s and %s", a, b)
	}
	for _, kind := range []string{"mnt", "ipc", "net"} {
		path := "/proc/self/ns/" + kind
		if a, b := u.ok("exec", "one", "readlink", path), u.ok("exec", "two", "readlink", path); a == b {
			t.Errorf("%s namespaces are the same: %s", kind, a)
		}
	}
	if got := u.ok("inspect", "-f", "{{.HostConfig.PidMode}}", "two"); got != "container:"+one {
		t.Errorf("inspect: %q", got)
	}
	testutil.Contains(t, u.ok("exec", "one", "ps"), "sleep 2001", "sleep 2002")
	// Who joins two joins one, and need not have an init of its own.
	testutil.Contains(t, u.ok("run", "--rm", "--init", "--pid", "container:"+two[:12], "busybox", "ps"), waits, "sleep 2002")
	// What an exec leaves behind is two's still: it is listed, and ends with it.
	u.ok("exec", "two", "sh", "-c", "sleep 2003 &")
	if got := u.ok("top", "two"); !strings.Contains(got, "sleep 2003") || strings.Contains(got, "trap") {
		t.Errorf("top: %s", got)
	}
	u.ok("stop", "-t", "0", "two")
	if got := u.ok("exec", "one", "ps"); strings.Contains(got, "sleep 200") {
		t.Errorf("after two's end: %s", got)
	}
	// One's end is everybody's.
	u.ok("start", "two")
	u.ok("stop", "one")
	if got := u.ok("wait", "two"); got != "137" {
		t.Errorf("two ended with %s", got)
	}
	u.fails(1, []string{"failed to join PID namespace: container " + one + " is not running"}, "start", "two")
	// Both are restarted together, in whatever order they are named.
	u.ok("start", "one")
	u.ok("restart", "-t", "0", "two", "one")
	testutil.Contains(t, u.ok("exec", "one", "ps"), "sleep 2002")
	// A supervisor that is killed takes the program along.
	if err := syscall.Kill(u.supervisor(two), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the program has ended", func() bool { return !strings.Contains(u.ok("exec", "one", "ps"), "sleep 2002") })
	u.fails(125, []string{"No such container: nobody"}, "run", "--pid", "container:nobody", "busybox", "true")
	u.ok("rm", "-f", "one", "two")
}

// TestRestartBesideAnother: with restart policies both come back.
func TestRestartBesideAnother(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("run", "-d", "--name", "one", "--restart", "always", "busybox", "sh", "-c", waits)
	u.ok("run", "-d", "--name", "two", "--restart", "always", "--pid", "container:one", "busybox", "sleep", "2001")
	for range 3 {
		before := u.ok("inspect", "-f", "{{.State.Pid}}", "two")
		u.result("exec", "one", "kill", "1")
		testutil.Eventually(t, "both run again", func() bool {
			now := u.ok("inspect", "-f", "{{.State.Pid}} {{.State.Running}}", "two")
			return now != before+" true" && !strings.HasPrefix(now, "0 ") && strings.Contains(u.result("exec", "one", "ps").Out, "sleep 2001")
		})
	}
	u.ok("rm", "-f", "two", "one")
}

// TestIPCNamespaceOfAnotherContainer shares segments, queues and /dev/shm with one that
// lets itself be joined.
func TestIPCNamespaceOfAnotherContainer(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	one := u.ok("run", "-d", "--name", "one", "--ipc", "shareable", "--shm-size", "1m", "busybox", "sleep", "1000")
	closed := u.ok("run", "-d", "--name", "closed", "busybox", "sleep", "1000")
	u.ok("exec", "one", "sh", "-c", "echo hello > /dev/shm/f")
	ns := u.ok("exec", "one", "readlink", "/proc/self/ns/ipc")
	got := u.ok("run", "--name", "two", "--ipc", "container:one", "busybox", "sh", "-c", "cat /dev/shm/f; readlink /proc/self/ns/ipc; echo there > /dev/shm/g; grep ' /dev/shm ' /proc/mounts")
	testutil.Contains(t, got, "hello\n"+ns+"\n", "size=1024k", "nosuid,nodev,noexec")
	if got := u.ok("exec", "one", "cat", "/dev/shm/g"); got != "there" {
		t.Errorf("in one there is %q", got)
	}
	if got := u.ok("inspect", "-f", "{{.HostConfig.IpcMode}}", "one", "two", "closed"); got != "shareable\ncontainer:"+one+"\nprivate" {
		t.Errorf("inspect: %q", got)
	}
	// Another file system at /dev/shm is had by who asks for it.
	if got := u.ok("run", "--rm", "--ipc", "container:one", "--tmpfs", "/dev/shm", "busybox", "ls", "/dev/shm"); got != "" {
		t.Errorf("of its own: %q", got)
	}
	u.fails(125, []string{"failed to join IPC namespace: container " + closed + ": non-shareable IPC (hint: use IpcMode:shareable for the donor container)"}, "run", "--ipc", "container:closed", "busybox", "true")
	u.fails(125, []string{"is in another user namespace than the others"}, "run", "--ipc", "container:one", "--pid", "container:closed", "busybox", "true")
	u.fails(125, []string{"No such container: nobody"}, "run", "--ipc", "container:nobody", "busybox", "true")
	u.ok("stop", "-t", "0", "one")
	u.fails(1, []string{"failed to join IPC namespace: container " + one + " is not running"}, "start", "two")
	u.ok("rm", "-f", "one", "two", "closed")
}
