// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"coracle/pkg/state"
)

// Store is the set of containers below one root.
type Store struct{ dirs state.Dirs }

// NewStore returns the containers of d.
func NewStore(d state.Dirs) *Store { return &Store{dirs: d} }

// Dirs returns the directories that the store lives in.
func (s *Store) Dirs() state.Dirs { return s.dirs }

// Container is one container as it was read: a snapshot, not a handle.
type Container struct {
	Record
	State State
	dir   state.ContainerDir
}

// Dir is the container's directory.
func (c *Container) Dir() state.ContainerDir { return c.dir }

// NotFoundError says that no container has the given name or ID.
type NotFoundError struct{ Arg string }

func (e *NotFoundError) Error() string { return "No such container: " + e.Arg }

// AmbiguousError says that several IDs begin with the given one.
type AmbiguousError struct{ Prefix string }

func (e *AmbiguousError) Error() string {
	return "multiple IDs found with provided prefix: " + e.Prefix
}

// ErrNotRunning says that no supervisor is at work on the container.
var ErrNotRunning = errors.New("container is not running")

// NotRunningError is ErrNotRunning in Docker's words.
type NotRunningError struct{ ID string }

func (e *NotRunningError) Error() string        { return "container " + e.ID + " is not running" }
func (e *NotRunningError) Is(target error) bool { return target == ErrNotRunning }

// StateError says, in Docker's words, that a container is not in the state for what
// is asked of it.
type StateError struct{ Message string }

func (e *StateError) Error() string { return e.Message }

// Load reads one container by its full ID.
func (s *Store) Load(id string) (*Container, error) {
	c, err := s.load(id)
	if err == nil && c.State.Lost() {
		// The supervisor may have recorded the end, and gone, after it was read that
		// there was one.
		return s.load(id)
	}
	return c, err
}

func (s *Store) load(id string) (*Container, error) {
	c := &Container{dir: s.dirs.Container(id)}
	err := state.ReadJSON(c.dir.Record(), &c.Record)
	if errors.Is(err, fs.ErrNotExist) {
		// A container appears and disappears with its record, by one rename.
		if _, lerr := os.Lstat(string(c.dir)); lerr != nil {
			return nil, &NotFoundError{Arg: id}
		}
	}
	if err != nil {
		return nil, &DamagedError{ID: id, part: "record", err: err}
	}
	if c.Version != recordVersion || c.ID != id {
		return nil, &DamagedError{ID: id, part: "record", err: fmt.Errorf("not a record of version %d for this container", recordVersion)}
	}
	err = state.ReadJSON(c.dir.State(), &c.State)
	if errors.Is(err, fs.ErrNotExist) { // it has not been started, or was removed since the record was read
		if _, lerr := os.Lstat(string(c.dir)); lerr != nil {
			return nil, &NotFoundError{Arg: id}
		}
		err = nil
	}
	if err != nil {
		return nil, &DamagedError{ID: id, part: "state", err: err}
	}
	if c.State.RunDir == "" {
		c.State.RunDir = s.dirs.ContainerRun(id)
	}
	c.State = c.State.derived()
	return c, nil
}

// Lookup finds a container by name, by ID or by a unique beginning of an ID,
// in this order, as Docker does. The end of a supervisor that has been killed is
// waited for: until then it is in the way of whatever is asked of the container.
func (s *Store) Lookup(arg string) (*Container, error) {
	c, err := s.find(arg)
	if err == nil && c.State.IsRunning() && c.State.Supervisor.Ending() && c.State.Supervisor.Dies(context.Background()) {
		return s.Load(c.ID)
	}
	return c, err
}

func (s *Store) find(arg string) (*Container, error) {
	name := strings.TrimPrefix(arg, "/")
	if name == "" || strings.Contains(name, "/") {
		return nil, &NotFoundError{Arg: arg}
	}
	if state.IsID(name) {
		return s.Load(name)
	}
	c, err := s.nameOwner(name)
	var free *NotFoundError
	if !errors.As(err, &free) {
		return c, err
	}
	if !state.IsHex(name) {
		return nil, &NotFoundError{Arg: arg}
	}
	ids, err := s.IDs()
	if err != nil {
		return nil, err
	}
	var found string
	for _, id := range ids {
		if strings.HasPrefix(id, name) {
			if found != "" {
				return nil, &AmbiguousError{Prefix: arg}
			}
			found = id
		}
	}
	if found == "" {
		return nil, &NotFoundError{Arg: arg}
	}
	return s.Load(found)
}

// IDs returns the IDs of all containers, in no order.
func (s *Store) IDs() ([]string, error) {
	f, err := os.Open(s.dirs.Containers())
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	return slices.DeleteFunc(names, func(n string) bool { return !state.IsID(n) }), nil
}

// WriteState replaces the state of a container. Its supervisor calls it, and who holds
// its lock because no supervisor came that far.
func (s *Store) WriteState(id string, st State, durable bool) error {
	data, err := json.Marshal(st)
	if err != nil {
		return err
	}
	write := state.WriteVolatile
	if durable {
		write = state.WriteFile
	}
	return write(s.dirs.Container(id).State(), data, 0o600)
}

func short(id string) string { return id[:min(12, len(id))] }
