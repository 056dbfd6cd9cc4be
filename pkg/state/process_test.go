// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"coracle/pkg/state"
)

func TestProcessIdentity(t *testing.T) {
	p, err := state.Identify(os.Getpid())
	if err != nil || !p.Alive() {
		t.Fatalf("ourselves: %+v, %v", p, err)
	}
	for what, other := range map[string]state.Process{
		"another start":  {Pid: p.Pid, StartTime: p.StartTime + 1, BootID: p.BootID},
		"another boot":   {Pid: p.Pid, StartTime: p.StartTime, BootID: "x"},
		"no pid":         {StartTime: p.StartTime, BootID: p.BootID},
		"nobody at all":  {},
		"a negative pid": {Pid: -1, StartTime: p.StartTime, BootID: p.BootID},
	} {
		if other.Alive() {
			t.Errorf("%s is alive", what)
		}
	}
	if _, err := state.Identify(1 << 30); err == nil {
		t.Error("a process that is not there was identified")
	}
}

func TestProcessIdentityOfOddNames(t *testing.T) {
	// The name of a process is in the middle of what is parsed.
	odd := filepath.Join(t.TempDir(), "a) Z 1 (b")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, odd); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(odd, "hold", filepath.Join(t.TempDir(), "lock"), "shared")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := state.Identify(cmd.Process.Pid)
	if err != nil || !p.Alive() {
		t.Errorf("%+v, %v", p, err)
	}
	in.Close()
	// A zombie, which the process is until it is waited for, is not alive.
	for end := time.Now().Add(10 * time.Second); p.Alive(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("still alive")
		}
	}
	if _, err := state.Identify(cmd.Process.Pid); err == nil {
		t.Error("a zombie was identified")
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestStoppedProcess(t *testing.T) {
	cmd := exec.Command("/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	is := func(want bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); state.Stopped(pid) != want; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("stopped is not %v", want)
			}
		}
	}
	is(false)
	_ = cmd.Process.Signal(syscall.SIGSTOP)
	is(true)
	_ = cmd.Process.Signal(syscall.SIGCONT)
	is(false)
	_ = cmd.Process.Signal(syscall.SIGSTOP)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	is(false)
}
