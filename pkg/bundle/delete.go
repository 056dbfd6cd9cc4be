// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Delete forgets a stopped container; with force it is stopped first, and none
// is as good as one.
func (s *Store) Delete(id string, force bool) error {
	c, err := s.Lock(id)
	var none *NotExistError
	if errors.As(err, &none) && force {
		return s.sweep(id)
	}
	if err != nil {
		return err
	}
	defer c.Unlock()
	if st := c.Status(); st != specs.StateStopped {
		if !force {
			return fmt.Errorf("cannot delete container %q: it is %s", id, st)
		}
		if err := c.end(); err != nil {
			return err
		}
	}
	return s.delete(c)
}

// delete removes what there is of a container, then runs its last hooks, whose
// failures are only told.
func (s *Store) delete(c *Container) error {
	sp, cerr := c.config()
	if err := c.remove(); err != nil {
		return fmt.Errorf("delete container %q: %w", c.ID, err)
	}
	if cerr != nil || sp.Hooks == nil {
		return nil
	}
	st := c.State()
	st.Status, st.Pid = specs.StateStopped, 0
	for _, h := range sp.Hooks.Poststop {
		if err := c.after("poststop", []specs.Hook{h}, st); err != nil {
			s.Warn(err.Error())
		}
	}
	return nil
}

// sweep removes the directory of a create that was killed.
func (s *Store) sweep(id string) error {
	if _, err := os.Lstat(filepath.Join(s.root, id)); err != nil {
		return nil
	}
	c, err := s.add(id)
	if err != nil {
		return err
	}
	defer c.Unlock()
	return c.remove()
}
