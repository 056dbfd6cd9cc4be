// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"fmt"
	"os"
	"path"
	"strings"

	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/container/control"
	"coracle/pkg/container/transfer"
)

// files are those of one container.
type files interface {
	stat(ctx context.Context, path string, follow bool) (transfer.Info, error)
	out(ctx context.Context, w *os.File, o control.CopyOptions) (left []string, err error)
	in(ctx context.Context, r *os.File, o control.CopyOptions) (left []string, err error)
	happened(what string, err error) // an event, unless there was an error
}

// running are the files of a container that runs.
type running struct {
	cs *container.Store
	c  *container.Container
}

func (f running) stat(ctx context.Context, path string, follow bool) (transfer.Info, error) {
	return client.StatPath(ctx, f.c, path, follow)
}

func (f running) out(ctx context.Context, w *os.File, o control.CopyOptions) ([]string, error) {
	return client.CopyThrough(ctx, f.c, control.OpCopyOut, o, w)
}

func (f running) in(ctx context.Context, r *os.File, o control.CopyOptions) ([]string, error) {
	return client.CopyThrough(ctx, f.c, control.OpCopyIn, o, r)
}

func (f running) happened(what string, err error) {
	if err == nil {
		f.cs.Event(&f.c.Record, what, nil)
	}
}

// mounted are the files of a container that does not run.
type mounted struct {
	running
	root *os.File
}

func (f mounted) stat(_ context.Context, path string, follow bool) (transfer.Info, error) {
	return transfer.Stat(f.root, path, follow)
}

func (f mounted) out(ctx context.Context, w *os.File, o control.CopyOptions) ([]string, error) {
	return transfer.Out(ctx, output{w}, f.root, transfer.OutOptions{Path: string(o.Path), As: string(o.As), Follow: o.Follow})
}

func (f mounted) in(ctx context.Context, r *os.File, o control.CopyOptions) ([]string, error) {
	dir := string(o.Path)
	if err := f.checkTmpfs(dir); err != nil {
		return nil, err
	}
	return transfer.In(ctx, r, f.root, dir, transfer.InOptions{Owners: o.Owners})
}

// checkTmpfs refuses what the container would never see: a tmpfs is empty
// whenever it starts.
func (f mounted) checkTmpfs(dir string) error {
	dir = path.Clean("/" + dir)
	for _, asked := range f.c.Mounts {
		m, err := asked.Resolve(container.Volumes(f.cs.Dirs()))
		if err == nil && m.Type == container.MountTmpfs && (dir == m.Target || strings.HasPrefix(dir, m.Target+"/")) {
			return fmt.Errorf("%s is a tmpfs, which is empty until the container runs", m.Target)
		}
	}
	return nil
}

// output is the caller's file, whose failures are not those of the container's
// files.
type output struct{ f *os.File }

func (o output) Write(p []byte) (int, error) {
	return len(p), control.WriteOutput(o.f, o.f.Name(), p)
}
