// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"
	"os"
	"path"
	"strings"
	"syscall"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/container/transfer"
	"coracle/pkg/state"
)

// StatPath asks the supervisor what is at a path inside. The error about one that
// leads to nothing is a *[transfer.NotFoundError].
func StatPath(ctx context.Context, c *container.Container, path string, follow bool) (transfer.Info, error) {
	r, err := call(ctx, c, control.Request{Op: control.OpStat, Copy: &control.CopyOptions{Path: path, Follow: follow}})
	if err != nil {
		return transfer.Info{}, err
	}
	if r.Info == nil {
		return transfer.Info{}, &transfer.NotFoundError{Path: path}
	}
	return *r.Info, nil
}

// CopyThrough asks the supervisor to copy to or from file, by op. It returns what
// was left out. An error of writing to file is a *[control.OutputError].
func CopyThrough(ctx context.Context, c *container.Container, op string, o control.CopyOptions, file *os.File) (left []string, err error) {
	r, err := call(ctx, c, control.Request{Op: op, Copy: &o}, file)
	if r.Missing != "" {
		return nil, &transfer.NotFoundError{Path: r.Missing}
	}
	if r.Event == control.EventLost {
		return nil, &control.OutputError{Stream: file.Name(), Err: syscall.Errno(r.Code)}
	}
	return r.Left, err
}

// Files are the files of one container, running or not.
type Files struct {
	ctx  context.Context
	s    *container.Store
	c    *container.Container
	root *os.File // of a container that does not run
	done func()
}

// OpenFiles opens the files of a container, with what is mounted in it unless
// bare is set. One that does not run is mounted, for which the process must be
// root in the user namespace; without that, and to be called again there, the
// error is state.ErrNeedsUserNS.
func OpenFiles(ctx context.Context, s *container.Store, c *container.Container, inside, bare bool) (f *Files, err error) {
	f = &Files{ctx: ctx, s: s, c: c, done: func() {}}
	if c.State.IsRunning() {
		return f, nil
	}
	if !inside {
		return nil, state.ErrNeedsUserNS
	}
	f.root, f.done, err = s.MountFiles(ctx, c, bare)
	return f, err
}

// Close lets the container go.
func (f *Files) Close() { f.done() }

// Stat tells what is at a path inside.
func (f *Files) Stat(path string, follow bool) (transfer.Info, error) {
	if f.root != nil {
		return transfer.Stat(f.root, path, follow)
	}
	return StatPath(f.ctx, f.c, path, follow)
}

// Out writes a file or directory to w, see [transfer.Out].
func (f *Files) Out(w *os.File, o control.CopyOptions) (left []string, err error) {
	if f.root != nil {
		return transfer.Out(w, f.root, o.OutOptions())
	}
	return CopyThrough(f.ctx, f.c, control.OpCopyOut, o, w)
}

// In unpacks r into a directory inside, see [transfer.In].
func (f *Files) In(r *os.File, o control.CopyOptions) (left []string, err error) {
	if f.root == nil {
		return CopyThrough(f.ctx, f.c, control.OpCopyIn, o, r)
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
		m, err := asked.Resolve(container.Volumes(f.s.Dirs()))
		if err == nil && m.Type == container.MountTmpfs && (dir == m.Target || strings.HasPrefix(dir, m.Target+"/")) {
			return fmt.Errorf("%s is a tmpfs, which is empty until the container runs", m.Target)
		}
	}
	return nil
}
