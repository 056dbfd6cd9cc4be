// SPDX-License-Identifier: Apache-2.0

package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"coracle/pkg/container/control"
	"coracle/pkg/state"
)

// Exec is another process in a running container that was asked for by one process
// and may be started, looked at and resized by others. It is on the disk, in the
// container's run-time directory, and goes with that.
//
//	exec/ID.json    what was asked for; written once, by who asked
//	exec/ID.state   what happened; written by the supervisor alone
type Exec struct {
	ID         string              `json:"id"`        // 64 hex, of which the first half is the container's: it is found without an index
	Container  string              `json:"container"` // ID
	Options    control.ExecOptions `json:"options"`
	Stdout     bool                `json:"stdout"` // are attached
	Stderr     bool                `json:"stderr"`
	DetachKeys string              `json:"detachKeys,omitempty"`
	State      ExecState           `json:"-"`
}

// ExecState is what happened to an Exec. The zero value is one that was not started.
type ExecState struct {
	Started bool `json:"started"`
	Running bool `json:"running"`
	Pid     int  `json:"pid"` // on the host
	Code    *int `json:"code,omitempty"`
}

// execPrefix is how much of an Exec's ID is the container's.
const execPrefix = 32

// NoSuchExecError says that no running container has such a process.
type NoSuchExecError struct{ ID string }

func (e *NoSuchExecError) Error() string { return "No such exec instance: " + e.ID }

// CreateExec writes down what is to run beside the first process of a running
// container, and gives it an ID.
func (s *Store) CreateExec(c *Container, x *Exec) error {
	if !c.State.IsRunning() {
		return &NotRunningError{ID: c.ID}
	}
	x.ID, x.Container = c.ID[:execPrefix]+state.NewID()[execPrefix:], c.ID
	x.Options.ID = x.ID
	data, err := json.Marshal(x)
	if err == nil {
		err = os.MkdirAll(filepath.Join(c.State.RunDir, state.ExecRecords), 0o700)
	}
	if err == nil {
		err = state.WriteVolatile(execFile(c, x.ID, ".json"), data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("create exec: %w", err)
	}
	s.Event(&c.Record, "exec_create: "+strings.Join(x.Options.Args, " "), map[string]string{"execID": x.ID})
	return nil
}

func execFile(c *Container, id, suffix string) string {
	return filepath.Join(c.State.RunDir, state.ExecRecords, id+suffix)
}

// LoadExec reads what an ID means, and its container.
func (s *Store) LoadExec(id string) (*Exec, *Container, error) {
	missing := &NoSuchExecError{id}
	if !state.IsID(id) {
		return nil, nil, missing
	}
	c, err := s.find(id[:execPrefix])
	var gone *NotFoundError
	if errors.As(err, &gone) || err == nil && !c.State.IsRunning() {
		return nil, nil, missing
	}
	if err != nil {
		return nil, nil, err
	}
	x := &Exec{}
	err = state.ReadJSON(execFile(c, id, ".json"), x)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, missing
	}
	if err == nil {
		err = state.ReadJSON(execFile(c, id, ".state"), &x.State)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("read exec %.12s: %w", id, err)
	}
	return x, c, nil
}

// WriteExecState replaces the state of an Exec. Only the container's supervisor calls
// it.
func (s *Store) WriteExecState(c *Container, id string, st ExecState) error {
	data, err := json.Marshal(st)
	if err != nil {
		return err
	}
	return state.WriteVolatile(execFile(c, id, ".state"), data, 0o600)
}

// ExecIDs are the processes of a container that have been asked for and have not
// ended.
func (s *Store) ExecIDs(c *Container) (ids []string) {
	entries, err := os.ReadDir(filepath.Join(c.State.RunDir, state.ExecRecords))
	if err != nil || !c.State.IsRunning() {
		return nil
	}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || !state.IsID(id) {
			continue
		}
		if x, _, err := s.LoadExec(id); err == nil && x.State.Code == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
