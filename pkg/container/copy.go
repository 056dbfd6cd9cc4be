// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"fmt"
	"os"
	"path"
	"strings"
	"syscall"

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
	Bare   bool   `json:"bare,omitempty"` // without what is mounted in the container, for which see OpenFiles
}

// OutOptions are the options of a copy out of the container.
func (o CopyOptions) OutOptions() transfer.OutOptions {
	return transfer.OutOptions{Path: o.Path, As: o.As, Follow: o.Follow}
}

// Files are the files of one container, running or not.
type Files struct {
	s      *Store
	c      *Container
	root   *os.File // of a container that does not run
	target string   // where that is mounted
	done   func()
}

// OpenFiles opens the files of a container, with what is mounted in it unless
// bare is set. One that does not run is mounted, for which the process must be
// root in the user namespace; without that, and to be called again there, the
// error is state.ErrNeedsUserNS.
func (s *Store) OpenFiles(ctx context.Context, c *Container, inside, bare bool) (*Files, error) {
	f := &Files{s: s, c: c, done: func() {}}
	if c.State.IsRunning() {
		return f, nil
	}
	if !inside {
		return nil, state.ErrNeedsUserNS
	}
	lock, err := state.Acquire(ctx, s.dirs.Container(c.ID).Lock(), state.Exclusive)
	if err != nil {
		return nil, fmt.Errorf("open files: %w", err)
	}
	f.target = c.dir.Rootfs()
	f.done = func() {
		if f.root != nil {
			f.root.Close()
		}
		_ = unix.Unmount(f.target, unix.MNT_DETACH)
		lock.Release()
	}
	if err := f.mount(bare); err != nil {
		f.done()
		return nil, err
	}
	return f, nil
}

func (f *Files) mount(bare bool) error {
	c := f.c
	err := overlay.MountRootfs(overlay.Rootfs{
		Lowers: topmostFirst(c.LayerDirs), Upper: c.dir.Upper(), Work: c.dir.Work(), Target: f.target,
	})
	if err != nil {
		return err
	}
	if f.root, err = os.Open(f.target); err != nil || bare {
		return err
	}
	return f.s.attachAll(c, f.root)
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
func (f *Files) Out(w *os.File, o CopyOptions) (left []string, err error) {
	if f.root != nil {
		return transfer.Out(w, f.root, o.OutOptions())
	}
	return f.s.copyThrough(f.c, Request{Op: OpCopyOut, Copy: &o}, w)
}

// In unpacks r into a directory inside, see [transfer.In].
func (f *Files) In(r *os.File, o CopyOptions) (left []string, err error) {
	if f.root == nil {
		return f.s.copyThrough(f.c, Request{Op: OpCopyIn, Copy: &o}, r)
	}
	if err := f.checkTmpfs(o.Path); err != nil {
		return nil, err
	}
	return transfer.In(r, f.root, o.Path, transfer.InOptions{Owners: o.Owners})
}

// checkTmpfs refuses what the container would never see: a tmpfs is empty
// whenever it starts.
func (f *Files) checkTmpfs(dir string) error {
	dir = path.Clean("/" + dir)
	for _, asked := range f.c.Mounts {
		m, err := asked.Resolve(Volumes(f.s.dirs))
		if err == nil && m.Type == MountTmpfs && (dir == m.Target || strings.HasPrefix(dir, m.Target+"/")) {
			return fmt.Errorf("%s is a tmpfs, which is empty until the container runs", m.Target)
		}
	}
	return nil
}

// copyThrough asks the supervisor to copy to or from file.
func (s *Store) copyThrough(c *Container, req Request, file *os.File) (left []string, err error) {
	r, err := s.call(c, req, file)
	if r.Missing != "" {
		return nil, &transfer.NotFoundError{Path: r.Missing}
	}
	if r.Event == EventLost {
		return nil, &OutputError{Stream: file.Name(), Err: syscall.Errno(r.Code)}
	}
	return r.Left, err
}
