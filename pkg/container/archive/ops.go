// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"errors"
	"os"
	"syscall"

	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/container/transfer"
	"coracle/pkg/worker"
)

// Ops is what a worker does for this package: what needs a container's files
// mounted, or files of subordinate ids.
func Ops() []worker.Handler {
	return []worker.Handler{statOp, outOp, inOp, exportOp, changesOp}
}

// Names in these messages are bytes, of which JSON keeps only those that are text.

type outRequest struct {
	ID     string `json:"id"`
	Path   []byte `json:"path"`
	As     []byte `json:"as,omitempty"`
	Follow bool   `json:"follow,omitempty"`
}

type inRequest struct {
	ID     string     `json:"id"`
	Path   []byte     `json:"path"`
	Owners bool       `json:"owners,omitempty"`
	Source *rawSource `json:"source,omitempty"`
}

type rawSource struct {
	Source
	Name []byte `json:"name"`
}

// rawInfo is a transfer.Info.
type rawInfo struct {
	transfer.Info
	Link []byte `json:"link,omitempty"`
}

// stat is what it says of path.
func (i rawInfo) stat(path string) moby.PathStat {
	i.Name, i.LinkTarget = transfer.BaseName(path), string(i.Link)
	return moby.PathStat(i.Info)
}

// lostError is a control.OutputError.
type lostError struct {
	Stream string        `json:"stream"`
	Errno  syscall.Errno `json:"errno"`
}

func (e *lostError) Error() string { return "write " + e.Stream + ": " + e.Errno.Error() }
func (e *lostError) Unwrap() error { return e.Errno }

// with runs f with the files of a container, mounted unless it runs by now.
func with[T any](ctx context.Context, j *worker.Job, id string, bare bool, f func(files) (T, error)) (res T, err error) {
	cs := container.NewStore(j.Dirs)
	c, err := cs.Load(id)
	if err != nil {
		return res, err
	}
	if c.State.IsRunning() {
		res, err = f(running{cs, c})
	} else {
		var root *os.File
		var release func()
		if root, release, err = cs.MountFiles(ctx, c, bare); err != nil {
			return res, err
		}
		defer release()
		res, err = f(mounted{running{cs, c}, root})
	}
	var lost *control.OutputError
	var errno syscall.Errno
	if errors.As(err, &lost) && errors.As(lost.Err, &errno) {
		err = &lostError{lost.Stream, errno}
	}
	return res, err
}

var statOp = worker.Op[outRequest, rawInfo]{Name: "container.stat", Do: func(ctx context.Context, j *worker.Job, r outRequest) (rawInfo, error) {
	return with(ctx, j, r.ID, false, func(f files) (rawInfo, error) {
		info, err := f.stat(ctx, string(r.Path), r.Follow)
		return rawInfo{info, []byte(info.LinkTarget)}, err
	})
}}

var outOp = worker.Op[outRequest, []string]{Name: "container.out", Do: func(ctx context.Context, j *worker.Job, r outRequest) ([]string, error) {
	return with(ctx, j, r.ID, false, func(f files) ([]string, error) {
		return out(ctx, f, j.Files[0], r, func(i transfer.Info) error {
			j.Event(rawInfo{i, []byte(i.LinkTarget)})
			return nil
		})
	})
}}

var inOp = worker.Op[inRequest, []string]{Name: "container.in", Do: func(ctx context.Context, j *worker.Job, r inRequest) ([]string, error) {
	return with(ctx, j, r.ID, false, func(f files) ([]string, error) {
		return in(ctx, f, j.Files[0], r, func(as string) { j.Event([]byte(as)) })
	})
}}

var exportOp = worker.Op[string, []string]{Name: "container.export", Do: func(ctx context.Context, j *worker.Job, id string) ([]string, error) {
	return with(ctx, j, id, true, func(f files) ([]string, error) { return export(ctx, f, j.Files[0]) })
}}
