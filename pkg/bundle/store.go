// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/cgroup"
	"coracle/pkg/state"
)

// Store is the set of containers below one state directory.
type Store struct {
	root string
	// Warn is told what does not stop a container.
	Warn func(message string)
}

// Open makes the state directory where it is missing.
func Open(root string, warn func(string)) (*Store, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("create state directory: %w", err)
	}
	return &Store{root: root, Warn: warn}, nil
}

// Container is the record of one container.
type Container struct {
	ID          string            `json:"id"`
	Version     string            `json:"ociVersion"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Created     time.Time         `json:"created"`
	Init        state.Process     `json:"init"`
	Started     bool              `json:"started"`
	Cgroup      string            `json:"cgroup,omitempty"` // directory of its own cgroup

	// Fields below this line are not saved.
	dir  string
	lock *state.Lock
}

// NotExistError says that there is no container of that name.
type NotExistError struct{ ID string }

func (e *NotExistError) Error() string { return fmt.Sprintf("container %q does not exist", e.ID) }

const idLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+.-"

func checkID(id string) error {
	if id == "" || len(id) > 255 || strings.TrimLeft(id, idLetters) != "" || id == "." || id == ".." {
		return fmt.Errorf("invalid container id %q: letters, digits and _+.- are allowed", id)
	}
	return nil
}

const (
	stateFile  = "state.json"
	configFile = "config.json"
	socketFile = "start.sock"
)

func lockOf(dir string) state.LockFile {
	return state.LockFile{Path: filepath.Join(dir, "lock"), Rank: state.RankBundle}
}

// Get reads a container.
func (s *Store) Get(id string) (*Container, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	c := &Container{dir: filepath.Join(s.root, id)}
	err := state.ReadJSON(filepath.Join(c.dir, stateFile), c)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotExistError{id}
	}
	if err != nil {
		return nil, fmt.Errorf("read state of container %q: %w", id, err)
	}
	return c, nil
}

// Lock reads a container and keeps others from changing it until Unlock.
func (s *Store) Lock(id string) (*Container, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	l, err := state.Acquire(context.Background(), lockOf(filepath.Join(s.root, id)), state.Exclusive)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotExistError{id}
	}
	if err != nil {
		return nil, err
	}
	c, err := s.Get(id)
	if err != nil {
		l.Release()
		return nil, err
	}
	c.lock = l
	return c, nil
}

// Unlock lets others change the container.
func (c *Container) Unlock() { c.lock.Release() }

// add makes the directory of a new container and locks it. What a create that
// was killed has left there is removed.
func (s *Store) add(id string) (*Container, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	dir := filepath.Join(s.root, id)
	err := os.Mkdir(dir, 0o700)
	left := errors.Is(err, fs.ErrExist)
	if err != nil && !left {
		return nil, fmt.Errorf("create container: %w", err)
	}
	l, err := state.TryAcquire(lockOf(dir), state.Exclusive)
	if errors.Is(err, state.ErrLocked) {
		return nil, existsError(id)
	}
	if err != nil {
		return nil, fmt.Errorf("create container: %w", err)
	}
	if left {
		if _, err := os.Lstat(filepath.Join(dir, stateFile)); err == nil {
			l.Release()
			return nil, existsError(id)
		}
		_ = os.Remove(filepath.Join(dir, socketFile))
	}
	return &Container{ID: id, dir: dir, lock: l}, nil
}

func existsError(id string) error { return fmt.Errorf("container %q exists already", id) }

// remove removes the state of a container in which nothing runs.
func (c *Container) remove() error {
	if c.Cgroup != "" {
		if err := cgroup.Remove(c.Cgroup); err != nil {
			return err
		}
	}
	return os.RemoveAll(c.dir)
}

func (c *Container) save() error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return state.WriteVolatile(filepath.Join(c.dir, stateFile), data, 0o600)
}

// config is what the container was created from.
func (c *Container) config() (*specs.Spec, error) {
	var s specs.Spec
	if err := state.ReadJSON(filepath.Join(c.dir, configFile), &s); err != nil {
		return nil, fmt.Errorf("read config of container %q: %w", c.ID, err)
	}
	return &s, nil
}

// Status is what the container is doing now.
func (c *Container) Status() specs.ContainerState {
	switch {
	case !c.Init.Alive():
		return specs.StateStopped
	case c.Started:
		return specs.StateRunning
	}
	return specs.StateCreated
}

// State is the container in the words of the specification.
func (c *Container) State() specs.State {
	st := specs.State{Version: c.Version, ID: c.ID, Status: c.Status(), Bundle: c.Bundle, Annotations: c.Annotations}
	if st.Status != specs.StateStopped {
		st.Pid = c.Init.Pid
	}
	return st
}

// List returns all containers, by their names.
func (s *Store) List() ([]*Container, error) {
	entries, err := os.ReadDir(s.root)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var all []*Container
	for _, e := range entries {
		c, err := s.Get(e.Name())
		if err != nil {
			continue // being created, being deleted, or nothing of ours
		}
		all = append(all, c)
	}
	return all, nil
}
