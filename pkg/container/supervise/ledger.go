// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"fmt"
	"os"
	"sync"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/state"
)

// ledger is what is written down of the container: its state, of which this is
// the only writer, and what happens to it.
type ledger struct {
	store  *container.Store
	opened container.Record // as the record was at the start
	before container.State  // and the state

	mu    sync.Mutex // held over a write, so that the last state is the last written
	state container.State
	known bool // a state was written, by which others find this process
}

// openLedger begins the state of a container that is supervised by this process.
func openLedger(store *container.Store, c *container.Container) (*ledger, error) {
	l := &ledger{
		store:  store,
		opened: c.Record,
		before: c.State,
		state:  container.State{Status: container.Running, RunDir: store.Dirs().ContainerRun(c.ID)},
	}
	var err error
	l.state.Supervisor, err = self()
	return l, err
}

// id is the container's ID.
func (l *ledger) id() string { return l.opened.ID }

// now is the state as it is.
func (l *ledger) now() container.State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

func (l *ledger) isPaused() bool     { return l.now().Status == container.Paused }
func (l *ledger) isRestarting() bool { return l.now().Status == container.Restarting }

// prepare changes the state that is written when the container runs.
func (l *ledger) prepare(change func(*container.State)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.state)
}

// record changes the state and writes it. One that cannot be written, on a full disk,
// counts all the same.
func (l *ledger) record(change func(*container.State)) {
	if err := l.write(change); err != nil {
		fmt.Fprintln(os.Stderr, "supervise:", err)
	}
}

// appear is record when a process has begun to run. The first one is not to go on where
// nothing could be written: nobody would find it, to stop it or to remove the container.
func (l *ledger) appear(change func(*container.State)) error {
	err := l.write(change)
	if err == nil || !l.isKnown() {
		return err
	}
	fmt.Fprintln(os.Stderr, "supervise:", err)
	return nil
}

func (l *ledger) isKnown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known
}

func (l *ledger) write(change func(*container.State)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.state)
	durable := l.state.Status == container.Exited && !l.opened.Life.AutoRemove
	if err := l.store.WriteState(l.id(), l.state, durable); err != nil {
		return fmt.Errorf("record state: %w", err)
	}
	l.known = true
	return nil
}

// recordFailure writes why the container did not start.
func (l *ledger) recordFailure(se *control.StartError) {
	l.record(func(st *container.State) { *st = l.before.NotStarted(se.Code, se.Message) })
}

// settle records a state that follows from an event, and the event.
func (l *ledger) settle(action string, change func(*container.State)) {
	l.record(change)
	l.event(action, nil)
}

// event writes down what happened to the container.
func (l *ledger) event(action string, more map[string]string) {
	l.store.Event(l.current(), action, more)
}

// arrived and left say that the container has its volumes and networks, and
// that it has them no more.
func (l *ledger) arrived() { container.Arrive(l.store.Dirs(), &l.opened) }

func (l *ledger) left() { container.Leave(l.store.Dirs(), l.current()) }

// current is the record as others have changed it by now: its name, its networks.
func (l *ledger) current() *container.Record {
	r := l.opened
	if now, err := l.store.Load(l.id()); err == nil {
		r = now.Record
	}
	return &r
}

// self is this process as the host sees it: /proc belongs to the host's pid
// namespace, getpid does not.
func self() (state.Process, error) {
	link, err := os.Readlink("/proc/self")
	if err != nil {
		return state.Process{}, fmt.Errorf("find own pid: %w", err)
	}
	var pid int
	if _, err := fmt.Sscan(link, &pid); err != nil {
		return state.Process{}, fmt.Errorf("find own pid: %w", err)
	}
	return state.Identify(pid)
}
