// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

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
	dir   string
}

// Dir is the container's directory.
func (c *Container) Dir() string { return c.dir }

// NotFoundError says that no container has the given name or ID.
type NotFoundError struct{ Arg string }

func (e *NotFoundError) Error() string { return "No such container: " + e.Arg }

// AmbiguousError says that several IDs begin with the given one.
type AmbiguousError struct{ Prefix string }

func (e *AmbiguousError) Error() string {
	return "multiple IDs found with provided prefix: " + e.Prefix
}

// NameTakenError says that another container has the name.
type NameTakenError struct{ Name, ID string }

func (e *NameTakenError) Error() string {
	return fmt.Sprintf("Conflict. The container name %q is already in use by container %q. "+
		"You have to remove (or rename) that container to be able to reuse that name.", "/"+e.Name, e.ID)
}

var namePattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)
})

// CheckName reports whether a container or volume may be called name.
func CheckName(name string) error {
	if !namePattern().MatchString(name) || len(name) > 255 {
		return fmt.Errorf("Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name)
	}
	return nil
}

// NewID returns a fresh container ID of 64 hex digits. The first twelve are
// never all decimal: the short form is the hostname, and a hostname of digits
// reads as a number to some programs.
func NewID() string {
	for {
		var b [32]byte
		_, _ = rand.Read(b[:])
		id := hex.EncodeToString(b[:])
		if strings.ContainsAny(id[:12], "abcdef") {
			return id
		}
	}
}

// Create commits a record: the container exists, with its name, from the
// moment Create returns nil, and does not exist at all after an error. With
// an empty Name a free one is chosen. Everything but ID, Name, Version and
// Created is the caller's.
func (s *Store) Create(ctx context.Context, r *Record) (err error) {
	r.Version, r.Created = recordVersion, time.Now().UTC()
	if r.ID == "" {
		r.ID = NewID()
	}
	if r.Name != "" {
		if err := CheckName(r.Name); err != nil {
			return err
		}
	}
	tmp := filepath.Join(s.dirs.Tmp(), "container-"+r.ID)
	defer func() {
		if err != nil {
			_ = os.RemoveAll(tmp)
		}
	}()
	for _, sub := range []string{"", "upper", "work", "rootfs", "files"} {
		if err := os.Mkdir(filepath.Join(tmp, sub), 0o700); err != nil {
			return fmt.Errorf("create container: %w", err)
		}
	}
	// The upper directory is the container's "/": everybody in it may enter.
	if err := os.Chmod(filepath.Join(tmp, "upper"), 0o755); err != nil {
		return fmt.Errorf("create container: %w", err)
	}
	lock, err := state.Acquire(ctx, s.namesLock(), state.Exclusive)
	if err != nil {
		return fmt.Errorf("create container: %w", err)
	}
	defer lock.Release()
	if err := s.chooseNameLocked(r); err != nil {
		return err
	}
	if err := s.writeRecord(tmp, r); err != nil {
		return fmt.Errorf("create container: %w", err)
	}
	if err := s.commitLocked(tmp, r); err != nil {
		return err
	}
	s.Event(r, "create", nil)
	return nil
}

// commitLocked makes the container appear. The name goes first: a name that
// points nowhere is free, a container without a name would be a second truth.
//
// Preconditions: the names lock is held.
func (s *Store) commitLocked(tmp string, r *Record) error {
	link := s.namePath(r.Name)
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("claim name %q: %w", r.Name, err)
	}
	if err := os.Symlink(r.ID, link); err != nil {
		return fmt.Errorf("claim name %q: %w", r.Name, err)
	}
	if err := os.Rename(tmp, s.dirs.Container(r.ID)); err != nil {
		_ = os.Remove(link)
		return fmt.Errorf("commit container: %w", err)
	}
	if r.Life.AutoRemove {
		return nil // it would not survive a power cut in any case
	}
	return errors.Join(state.SyncDir(s.dirs.Containers()), state.SyncDir(s.dirs.Names()))
}

func (s *Store) writeRecord(dir string, r *Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	write := state.WriteFile
	if r.Life.AutoRemove {
		write = state.WriteVolatile
	}
	return write(filepath.Join(dir, "record.json"), data, 0o600)
}

// chooseNameLocked checks r.Name, or fills it.
//
// Preconditions: the names lock is held.
func (s *Store) chooseNameLocked(r *Record) error {
	if r.Name != "" {
		if id, ok := s.nameOwner(r.Name); ok {
			return &NameTakenError{Name: r.Name, ID: id}
		}
		return nil
	}
	for try := 0; ; try++ {
		r.Name = randomName(try)
		if _, taken := s.nameOwner(r.Name); !taken {
			return nil
		}
	}
}

func (s *Store) namesLock() string           { return filepath.Join(s.dirs.Names(), ".lock") }
func (s *Store) namePath(name string) string { return filepath.Join(s.dirs.Names(), name) }

// nameOwner returns the container that holds name. A name whose container
// does not exist is left over from a command that was killed, and free.
func (s *Store) nameOwner(name string) (string, bool) {
	id, err := os.Readlink(s.namePath(name))
	if err != nil || !isHex(id) {
		return "", false
	}
	if _, err := os.Lstat(s.dirs.Container(id)); err != nil {
		return "", false
	}
	return id, true
}

func isHex(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdef") == ""
}

// Load reads one container by its full ID.
func (s *Store) Load(id string) (*Container, error) {
	c := &Container{dir: s.dirs.Container(id)}
	err := state.ReadJSON(filepath.Join(c.dir, "record.json"), &c.Record)
	if errors.Is(err, fs.ErrNotExist) {
		// A container appears and disappears with its record, by one rename.
		if _, lerr := os.Lstat(c.dir); lerr != nil {
			return nil, &NotFoundError{Arg: id}
		}
	}
	if err != nil {
		return nil, &DamagedError{ID: id, part: "record", err: err}
	}
	if c.Version != recordVersion || c.ID != id {
		return nil, &DamagedError{ID: id, part: "record", err: fmt.Errorf("not a record of version %d for this container", recordVersion)}
	}
	err = state.ReadJSON(filepath.Join(c.dir, "state.json"), &c.State)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &DamagedError{ID: id, part: "state", err: err}
	}
	c.State = c.State.derived()
	return c, nil
}

// Lookup finds a container by name, by ID or by a unique beginning of an ID,
// in this order, as Docker does.
func (s *Store) Lookup(arg string) (*Container, error) {
	name := strings.TrimPrefix(arg, "/")
	if name == "" || strings.Contains(name, "/") {
		return nil, &NotFoundError{Arg: arg}
	}
	if isHex(name) && len(name) == 64 {
		return s.Load(name)
	}
	if id, ok := s.nameOwner(name); ok {
		return s.Load(id)
	}
	if !isHex(name) {
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
	return slices.DeleteFunc(names, func(n string) bool { return len(n) != 64 || !isHex(n) }), nil
}

// List returns all containers, newest first. One that disappears while the
// list is read is left out; one whose record is damaged is reported in the
// error, beside the list of the good ones.
func (s *Store) List() ([]*Container, error) {
	ids, err := s.IDs()
	if err != nil {
		return nil, err
	}
	var list []*Container
	var bad []error
	for _, id := range ids {
		c, err := s.Load(id)
		var gone *NotFoundError
		switch {
		case errors.As(err, &gone):
		case err != nil:
			bad = append(bad, err)
		default:
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *Container) int { return b.Created.Compare(a.Created) })
	return list, errors.Join(bad...)
}

// Rename gives a container another name.
func (s *Store) Rename(ctx context.Context, c *Container, name string) error {
	name = strings.TrimPrefix(name, "/")
	if err := CheckName(name); err != nil {
		return err
	}
	lock, err := state.Acquire(ctx, s.namesLock(), state.Exclusive)
	if err != nil {
		return fmt.Errorf("rename container: %w", err)
	}
	defer lock.Release()
	if id, ok := s.nameOwner(name); ok {
		return &NameTakenError{Name: name, ID: id}
	}
	old := c.Name
	r := c.Record
	r.Name = name
	_ = os.Remove(s.namePath(name))
	if err := os.Symlink(r.ID, s.namePath(name)); err != nil {
		return fmt.Errorf("rename container: %w", err)
	}
	if err := s.writeRecord(c.dir, &r); err != nil {
		_ = os.Remove(s.namePath(name))
		return fmt.Errorf("rename container: %w", err)
	}
	c.Record = r
	_ = os.Remove(s.namePath(old))
	s.Event(&r, "rename", map[string]string{"oldName": "/" + old})
	return nil
}

// WriteState replaces the state of a container. Only its supervisor calls it.
func (s *Store) WriteState(id string, st State, durable bool) error {
	data, err := json.Marshal(st)
	if err != nil {
		return err
	}
	write := state.WriteVolatile
	if durable {
		write = state.WriteFile
	}
	return write(filepath.Join(s.dirs.Container(id), "state.json"), data, 0o600)
}

func short(id string) string { return id[:min(12, len(id))] }
