// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"os"
	"syscall"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/container/transfer"
)

// StatPath asks the supervisor what is at a path inside. The error about one that
// leads to nothing is a *[transfer.NotFoundError].
func StatPath(ctx context.Context, c *container.Container, path string, follow bool) (transfer.Info, error) {
	r, err := call(ctx, c, control.Request{Op: control.OpStat, Copy: &control.CopyOptions{Path: []byte(path), Follow: follow}})
	if err != nil {
		return transfer.Info{}, err
	}
	if r.Info == nil {
		return transfer.Info{}, &transfer.NotFoundError{Path: path}
	}
	r.Info.Name, r.Info.LinkTarget = transfer.BaseName(path), string(r.Link)
	return *r.Info, nil
}

// CopyThrough asks the supervisor to copy to or from file, by op. It returns what
// was left out. An error of writing to file is a *[control.OutputError].
func CopyThrough(ctx context.Context, c *container.Container, op string, o control.CopyOptions, file *os.File) (left []string, err error) {
	r, err := call(ctx, c, control.Request{Op: op, Copy: &o}, file)
	switch {
	case r.Missing:
		return nil, &transfer.NotFoundError{Path: string(o.Path)}
	case r.NotDir:
		return nil, &transfer.NotDirectoryError{Path: string(o.Path)}
	case r.ReadOnly != nil:
		return nil, r.ReadOnly
	case r.NoArchive:
		return nil, &transfer.NotArchiveError{Message: r.Error}
	case r.Event == control.EventLost:
		return nil, &control.OutputError{Stream: file.Name(), Err: syscall.Errno(r.Code)}
	}
	return r.Left, err
}
