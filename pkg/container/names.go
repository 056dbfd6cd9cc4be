// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"coracle/pkg/state"
)

// names is the directory of names: a link for each, which leads to an ID. It is an
// index; what counts is the record, see [Store.nameOwner].
type names struct{ d state.Dirs }

func (s *Store) names() names { return names{s.dirs} }

// target is the ID that name leads to, or "".
func (n names) target(name string) string {
	id, err := os.Readlink(n.d.Name(name))
	if err != nil {
		return ""
	}
	return id
}

// of finds a name that leads to a container, without its record.
func (n names) of(id string) string {
	entries, err := os.ReadDir(n.d.Names())
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if n.target(e.Name()) == id {
			return e.Name()
		}
	}
	return ""
}

// link makes name lead to a container. Until the record says the same the name
// stays free.
func (n names) link(name, id string) error {
	if err := os.Remove(n.d.Name(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("claim name %q: %w", name, err)
	}
	if err := os.Symlink(id, n.d.Name(name)); err != nil {
		return fmt.Errorf("claim name %q: %w", name, err)
	}
	return nil
}

// unlink takes a name away from the container that it leads to.
func (n names) unlink(name, id string) {
	if n.target(name) == id {
		_ = os.Remove(n.d.Name(name))
	}
}

// sync makes the names survive a power cut.
func (n names) sync() error { return state.SyncDir(n.d.Names()) }
