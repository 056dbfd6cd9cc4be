// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"coracle/pkg/container/transfer"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// CopyOptions say what to copy between a running container and a pipe.
type CopyOptions struct {
	Path   string `json:"path"` // inside
	As     string `json:"as,omitempty"`
	Follow bool   `json:"follow,omitempty"`
	Owners bool   `json:"owners,omitempty"`
	Bare   bool   `json:"bare,omitempty"` // without what is mounted in the container
}

// Files are the files of one container, running or not.
type Files struct {
	s    *Store
	c    *Container
	root *os.File // of a container that does not run
	done func()
}

// OpenFiles opens the files of a container. One that does not run is mounted,
// for which the process must be root in the user namespace; without that, and
// to be called again there, the error is ErrNeedsUserNS.
func (s *Store) OpenFiles(ctx context.Context, c *Container, inside bool) (*Files, error) {
	f := &Files{s: s, c: c, done: func() {}}
	if c.State.IsRunning() {
		return f, nil
	}
	if !inside {
		return nil, ErrNeedsUserNS
	}
	lock, err := state.Acquire(ctx, s.LockPath(c.ID), state.Exclusive)
	if err != nil {
		return nil, fmt.Errorf("open files: %w", err)
	}
	target := filepath.Join(c.dir, "rootfs")
	lowers := slices.Clone(c.LayerDirs)
	slices.Reverse(lowers)
	err = overlay.MountRootfs(overlay.Rootfs{Lowers: lowers, Upper: filepath.Join(c.dir, "upper"), Work: filepath.Join(c.dir, "work"), Target: target})
	if err == nil {
		f.root, err = os.Open(target)
	}
	if err != nil {
		lock.Release()
		return nil, err
	}
	f.done = func() {
		f.root.Close()
		_ = unix.Unmount(target, unix.MNT_DETACH)
		lock.Release()
	}
	return f, nil
}

// Close lets the container go.
func (f *Files) Close() { f.done() }

// Stat tells what is at a path inside.
func (f *Files) Stat(path string, follow bool) (transfer.Info, error) {
	if f.root != nil {
		return transfer.Stat(f.root, path, follow)
	}
	r, err := f.s.call(f.c, Request{Op: OpStat, Copy: &CopyOptions{Path: path, Follow: follow}})
	if err != nil {
		return transfer.Info{}, err
	}
	if r.Info == nil {
		return transfer.Info{}, &transfer.NotFoundError{Path: path}
	}
	return *r.Info, nil
}

// Out writes a file or directory to w, see [transfer.Out].
func (f *Files) Out(w *os.File, o CopyOptions) error {
	if f.root != nil {
		return transfer.Out(w, f.root, o.Path, o.As, o.Follow)
	}
	return f.s.callFiles(f.c, Request{Op: OpCopyOut, Copy: &o}, w)
}

// In unpacks r into a directory inside, see [transfer.In].
func (f *Files) In(r *os.File, o CopyOptions) error {
	if f.root != nil {
		return transfer.In(r, f.root, o.Path, o.Owners)
	}
	return f.s.callFiles(f.c, Request{Op: OpCopyIn, Copy: &o}, r)
}

// callFiles is call with a descriptor.
func (s *Store) callFiles(c *Container, req Request, file *os.File) error {
	conn, err := s.dial(c)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Send(req, file); err != nil {
		return fmt.Errorf("talk to supervisor: %w", ended(err))
	}
	var r Reply
	files, err := conn.Recv(&r)
	CloseFiles(files)
	if err != nil {
		return fmt.Errorf("talk to supervisor: %w", ended(err))
	}
	if r.Event == EventError {
		return &StartError{Code: r.Code, Message: r.Error, hint: r.Hint}
	}
	return nil
}
