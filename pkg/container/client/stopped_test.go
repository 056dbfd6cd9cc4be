// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/state"
)

// A supervisor that is stopped after it has been asked is given up as soon as one
// that was stopped before: who asks looks again while it waits.
func TestStoppedWhileAsked(t *testing.T) {
	s := newStore(t)
	other := exec.Command("sleep", "1000")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	})
	who, err := state.Identify(other.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	id := state.NewID()
	create(t, s, container.Record{ID: id, Name: "web"})
	c, _ := supervise(t, s, id, container.State{Supervisor: who}, func(c *fakeConn, _ control.Request, _ []*os.File) {
		if err := other.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Error(err)
		}
		c.left()
	})
	promptly(t, "a stopped supervisor", func() {
		_, err := call(t.Context(), c, control.Request{Op: control.OpPause})
		var silent *silentError
		if !errors.As(err, &silent) || !silent.stopped {
			t.Errorf("%v", err)
		}
	})
}
