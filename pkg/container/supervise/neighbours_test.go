// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/internal/testutil/userns"
	"coracle/pkg/container"
)

// other is a container in the books whose first process is this one, or whatever st says.
func other(t *testing.T, store *container.Store, f container.Safety, st container.State) string {
	t.Helper()
	r := &container.Record{Safety: f}
	if err := store.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if st.Supervisor.Pid == 0 {
		self, err := self()
		if err != nil {
			t.Fatal(err)
		}
		st.Supervisor = self
	}
	if err := store.WriteState(r.ID, st, false); err != nil {
		t.Fatal(err)
	}
	return r.ID
}

func beside(f container.Safety) *container.Container {
	return &container.Container{Record: container.Record{Safety: f}}
}

// TestJoinRunning finds the namespaces of a process that is there.
func TestJoinRunning(t *testing.T) {
	store := newLedger(t, container.Record{}).store
	running := container.State{Status: container.Running, Pid: os.Getpid()}
	one := other(t, store, container.Safety{}, running)
	j, err := join(store, beside(container.Safety{PIDOf: one}))
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	here, err := os.Stat("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := j.pid.Stat(); err != nil || !os.SameFile(got, here) || j.ipc != nil || j.shm != nil {
		t.Errorf("%+v, %v", j, err)
	}
	host := other(t, store, container.Safety{HostPID: true, HostIPC: true}, running)
	if j, err := join(store, beside(container.Safety{PIDOf: host, IPCOf: host})); err != nil || !j.hostPID || !j.hostIPC || j.pid != nil || j.ipc != nil {
		t.Errorf("of the host: %+v, %v", j, err)
	}
	if j, err := join(store, beside(container.Safety{})); err != nil || *j != (joined{}) {
		t.Errorf("alone: %+v, %v", j, err)
	}
}

func TestJoinNobody(t *testing.T) {
	store := newLedger(t, container.Record{}).store
	ended := exec.Command("/bin/true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]struct {
		f  container.Safety
		st container.State
	}{
		"is not running":            {container.Safety{}, container.State{Status: container.Exited}},
		"is restarting":             {container.Safety{}, container.State{Status: container.Restarting}},
		"is restarting, wait until": {container.Safety{}, container.State{Status: container.Running, Pid: ended.Process.Pid}}, // as it seems for a moment
		"started again":             {container.Safety{}, container.State{Status: container.Running, Pid: 1}},
	} {
		id := other(t, store, c.f, c.st)
		_, err := join(store, beside(container.Safety{PIDOf: id}))
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, errRestarting) != strings.HasPrefix(want, "is restarting") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := join(store, beside(container.Safety{IPCOf: strings.Repeat("0", 64)})); err == nil || !strings.HasPrefix(err.Error(), "failed to join IPC namespace: No such container") {
		t.Error(err)
	}
}

// TestMountOfNeighbour: what was asked for at /dev/shm stays.
func TestMountOfNeighbour(t *testing.T) {
	for at, want := range map[string]int{"/data": 2, "/dev/shm/": 1} {
		shm, err := os.Open("/dev/null")
		if err != nil {
			t.Fatal(err)
		}
		j, p := &joined{shm: shm}, &prepared{list: []specs.Mount{{Destination: at}}, trees: map[string]*os.File{}}
		j.mount(p)
		if len(p.list) != want || (p.trees["/dev/shm"] == shm) != (want == 2) || (j.shm == nil) != (want == 2) {
			t.Errorf("%s: %v, %v", at, p.list, p.trees)
		}
		p.close()
		j.close()
	}
	(&joined{}).mount(&prepared{})
}

// TestLodgersEnd kills what shares a mount namespace, and nobody else.
func TestLodgersEnd(t *testing.T) {
	if !userns.Again(t, 0) {
		return
	}
	start := func(flags uintptr) *exec.Cmd {
		c := exec.Command("/bin/sh", "-c", "sleep 1000 & echo; wait")
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Setpgid: true}
		out, err := c.StdoutPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	mine, others := start(unix.CLONE_NEWNS), start(unix.CLONE_NEWNS)
	defer func() {
		_ = syscall.Kill(-others.Process.Pid, syscall.SIGKILL) // with the one that it has begun
		_ = others.Wait()
	}()
	if lodgersWith(beside(container.Safety{}), mine.Process.Pid) != nil {
		t.Error("in a pid namespace of its own")
	}
	if lodgersWith(beside(container.Safety{PIDOf: "x"}), 1<<22) != nil {
		t.Error("with nobody")
	}
	l := lodgersWith(beside(container.Safety{PIDOf: "x"}), mine.Process.Pid)
	children, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || l == nil || len(children) == 0 {
		t.Fatal(l, err)
	}
	l.end()
	if l.killEach(time.Now()) {
		t.Error("somebody is left")
	}
	if err := mine.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Error(err)
	}
	if others.Process.Signal(syscall.Signal(0)) != nil {
		t.Error("somebody else was killed")
	}
}
