// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"coracle/pkg/state"
)

// NameTakenError says that another container has the name.
type NameTakenError struct{ Name, ID string }

func (e *NameTakenError) Error() string {
	return fmt.Sprintf("Conflict. The container name %q is already in use by container %q. "+
		"You have to remove (or rename) that container to be able to reuse that name.", "/"+e.Name, e.ID)
}

// InvalidNameError says that nothing can be called so.
type InvalidNameError struct{ Name string }

func (e *InvalidNameError) Error() string {
	return fmt.Sprintf("Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", e.Name)
}

var namePattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)
})

// CheckName reports whether a container or volume may be called name.
func CheckName(name string) error {
	if !namePattern().MatchString(name) || len(name) > 255 {
		return &InvalidNameError{Name: name}
	}
	return nil
}

// nameOwner returns the container that holds name: the one that the link leads
// to, when its record says the same. A link without that is what a command that
// was killed left behind, and the name is free. A record that cannot be read
// gives its container the benefit of the doubt, and the error.
func (s *Store) nameOwner(name string) (c *Container, err error) {
	id := s.names().target(name)
	if !state.IsID(id) {
		return nil, &NotFoundError{Arg: name}
	}
	c, err = s.Load(id)
	if err == nil && c.Name != name {
		return nil, &NotFoundError{Arg: name}
	}
	return c, err
}

// checkFreeLocked reports whether a container may take name.
//
// Preconditions: the names lock is held.
func (s *Store) checkFreeLocked(name string) error {
	c, err := s.nameOwner(name)
	var gone *NotFoundError
	var damaged *DamagedError
	switch {
	case errors.As(err, &gone):
		return nil
	case errors.As(err, &damaged):
		return &NameTakenError{Name: name, ID: damaged.ID}
	case err != nil:
		return err
	}
	return &NameTakenError{Name: name, ID: c.ID}
}

// noName is Docker's sentence about a new name that cannot be had.
const noName = "Error when allocating new name: %w"

// Rename gives a container another name. The record decides which of its names
// counts: a rename that is killed has happened, or it has not.
func (s *Store) Rename(ctx context.Context, c *Container, name string) error {
	name = strings.TrimPrefix(name, "/")
	if err := CheckName(name); err != nil {
		return fmt.Errorf(noName, err)
	}
	lock, err := state.Acquire(ctx, s.dirs.NamesLock(), state.Exclusive)
	if err != nil {
		return fmt.Errorf("rename container: %w", err)
	}
	defer lock.Release()
	if err := s.checkFreeLocked(name); err != nil {
		return fmt.Errorf(noName, err)
	}
	if err := s.names().link(name, c.ID); err != nil {
		return err
	}
	if err := s.names().sync(); err != nil {
		return fmt.Errorf("rename container: %w", err)
	}
	var old string
	r, err := s.Edit(ctx, c.ID, func(r *Record) error {
		old, r.Name = r.Name, name
		return nil
	})
	if err != nil {
		s.names().unlink(name, c.ID)
		return err
	}
	c.Record = *r
	s.names().unlink(old, c.ID)
	s.Event(r, "rename", map[string]string{"oldName": "/" + old})
	return nil
}
