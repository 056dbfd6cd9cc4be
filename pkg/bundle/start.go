// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/ns"
	"coracle/pkg/wire/socket"
)

// Start lets the first process of a created container execute its program.
func (s *Store) Start(id string) error {
	c, err := s.Lock(id)
	if err != nil {
		return err
	}
	defer c.Unlock()
	if st := c.Status(); st != specs.StateCreated {
		return fmt.Errorf("cannot start container %q: it is %s", id, st)
	}
	sp, err := c.config()
	if err != nil {
		return err
	}
	if sp.Process == nil {
		return fmt.Errorf("cannot start container %q: process: missing in its %s", id, configFile)
	}
	at := filepath.Join(c.dir, socketFile)
	conn, err := socket.Dial(at)
	if errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("cannot start container %q: its process does not wait any more", id)
	}
	if err != nil {
		return fmt.Errorf("start container %q: %w", id, err)
	}
	defer conn.Close()
	if err := c.limit(sp); err != nil {
		return fmt.Errorf("start container %q: %w", id, err)
	}
	if err := ns.Release(conn); err != nil {
		return fmt.Errorf("start container %q: %w", id, err)
	}
	_ = os.Remove(at) // nobody listens there
	return s.started(c, sp)
}

// started writes down that the program runs, and runs the hooks that wait for
// it. A hook that fails ends the container.
func (s *Store) started(c *Container, sp *specs.Spec) error {
	c.Started = true
	if err := c.save(); err != nil {
		return err
	}
	if sp.Hooks == nil {
		return nil
	}
	if err := c.after("poststart", sp.Hooks.Poststart, c.State()); err != nil {
		return errors.Join(err, c.end())
	}
	return nil
}
