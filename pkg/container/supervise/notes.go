// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/ns"
)

// notes are the processes that have records ([container.Exec]), by ID: each is
// started once.
type notes struct {
	mu  sync.Mutex
	all map[string]*note
}

// note is one of them; of a process without a record it has no ID and does nothing.
type note struct {
	id   string
	mu   sync.Mutex
	tty  *os.File // its terminal while it runs, or nil
	keep func(container.ExecState)
}

// note takes what is to be started, if it has a record.
func (s *sessions) note(o *control.ExecOptions) (*note, error) {
	n := &note{keep: func(container.ExecState) {}}
	if o == nil || o.ID == "" {
		return n, nil
	}
	store := s.book.store
	x, c, err := store.LoadExec(o.ID)
	if err != nil {
		return n, err
	}
	s.notes.mu.Lock()
	defer s.notes.mu.Unlock()
	if x.Container != s.book.id() || s.notes.all[o.ID] != nil {
		return n, fmt.Errorf("exec command %s has already run", o.ID)
	}
	if s.notes.all == nil {
		s.notes.all = map[string]*note{}
	}
	n.id, n.keep = o.ID, func(st container.ExecState) {
		if err := store.WriteExecState(c, o.ID, st); err != nil {
			fmt.Fprintln(os.Stderr, "supervise: record exec:", err)
		}
	}
	s.notes.all[o.ID] = n
	return n, nil
}

// runs records that the process runs.
func (n *note) runs(p *ns.Process) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tty = p.Console
	n.keep(container.ExecState{Started: true, Running: true, Pid: p.HostPid})
}

// ended records that it has ended, or could not be started.
func (n *note) ended(code int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tty = nil
	n.keep(container.ExecState{Started: true, Code: &code})
}

// resize gives the terminal of a process with a record a size.
func (s *sessions) resize(r *control.Resize) error {
	s.notes.mu.Lock()
	n := s.notes.all[r.Exec]
	s.notes.mu.Unlock()
	if n == nil {
		return &container.NoSuchExecError{ID: r.Exec}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.tty == nil {
		return nil // it has none, or has ended
	}
	return unix.IoctlSetWinsize(int(n.tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: r.Rows, Col: r.Cols})
}
