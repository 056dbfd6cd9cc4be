// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"errors"
	"os"
	"syscall"

	"coracle/pkg/ns"
)

// Process is a program that runs in the foreground.
type Process struct {
	Console *os.File // the master of its terminal when that was not given away
	init    *ns.Process
	store   *Store
	id      string // to be deleted when the process ends
}

// Run creates a container and starts it. Wait deletes it, unless it is detached.
func (s *Store) Run(o CreateOptions) (*Process, error) {
	c, i, err := s.create(o, false)
	if err != nil {
		return nil, err
	}
	defer c.Unlock()
	sp, err := c.config()
	if err != nil {
		i.Abandon()
		return nil, err
	}
	if err := c.limit(sp); err != nil {
		i.Abandon()
		return nil, errors.Join(err, c.remove())
	}
	if err := s.settle(c, i, o.PidFile, i.Release); err != nil {
		return nil, err
	}
	if i.Console != nil {
		resize(i.Console, sp.Process.ConsoleSize)
	}
	if err := s.started(c, sp); err != nil {
		return nil, err
	}
	p := &Process{Console: i.Console, init: i}
	if !o.Detach {
		p.store, p.id = s, o.ID
	}
	return p, nil
}

// Signal sends a signal to the process.
func (p *Process) Signal(sig syscall.Signal) error { return p.init.Process.Signal(sig) }

// Wait returns the exit code, 128 more than the signal for a process that was
// killed, and deletes a container that was only there for it.
func (p *Process) Wait() (int, error) {
	ws, err := p.init.Wait()
	if err != nil {
		return 0, err
	}
	if p.store != nil {
		if err := p.store.Delete(p.id, false); err != nil {
			return 0, err
		}
	}
	if ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return ws.ExitStatus(), nil
}
