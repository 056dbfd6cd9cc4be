// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"

	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/container/control"
	"coracle/pkg/container/transfer"
	"coracle/pkg/worker"
)

// OutOptions say what is to be archived.
type OutOptions struct {
	Path   string // inside
	Follow bool   // of a link at the end of Path what it leads to
	// As is what the first entry is called, for Docker [transfer.BaseName] of Path.
	// Empty or ".": see [transfer.OutOptions].
	As string
}

// InOptions say where a stream is unpacked.
type InOptions struct {
	Path   string // a directory inside
	Owners bool   // files are given to whom the stream says
	// Source, when not nil, is what cp copies: Path may be a file, too, or nothing
	// yet, and the stream is asked for under the name that this gives.
	Source *Source
}

// Stat tells what is at a path of a container. The error about one that leads to
// nothing is a *[transfer.NotFoundError].
func Stat(ctx context.Context, cs *container.Store, c *container.Container, path string, follow bool) (moby.PathStat, error) {
	if c.State.IsRunning() {
		info, err := client.StatPath(ctx, c, path, follow)
		return moby.PathStat(info), err
	}
	w, err := c.With(ctx, cs.Dirs(), worker.With{})
	if err != nil {
		return moby.PathStat{}, err
	}
	i, err := statOp.Call(ctx, cs.Dirs(), outRequest{ID: c.ID, Path: []byte(path), Follow: follow}, w)
	return i.stat(path), err
}

// Out writes what is at a path to w, see [transfer.Out]. Before the stream ends
// found, when not nil, hears what that is: if it has an error, so has Out. The error
// of writing to w is a *[control.OutputError].
func Out(ctx context.Context, cs *container.Store, c *container.Container, w *os.File, o OutOptions, found func(moby.PathStat) error) (left []string, err error) {
	if found == nil {
		found = func(moby.PathStat) error { return nil }
	}
	r := outRequest{ID: c.ID, Path: []byte(o.Path), As: []byte(o.As), Follow: o.Follow}
	if c.State.IsRunning() {
		return out(ctx, running{cs, c}, w, r, func(i transfer.Info) error { return found(moby.PathStat(i)) })
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var refused error
	how, err := c.With(ctx, cs.Dirs(), worker.With{Files: []*os.File{w}, Event: func(data json.RawMessage) {
		var i rawInfo
		if refused = json.Unmarshal(data, &i); refused == nil {
			refused = found(i.stat(o.Path))
		}
		if refused != nil {
			cancel()
		}
	}})
	if err == nil {
		left, err = outOp.Call(ctx, cs.Dirs(), r, how)
	}
	return left, cmp.Or(refused, asOutput(err))
}

// In unpacks a stream, see [transfer.In]. With a Source nothing is read before
// placed has heard what its first entry is to be called; where the Source cannot go
// the error is a *[PlaceError].
func In(ctx context.Context, cs *container.Store, c *container.Container, r *os.File, o InOptions, placed func(as string)) (left []string, err error) {
	q := inRequest{ID: c.ID, Path: []byte(o.Path), Owners: o.Owners}
	if o.Source != nil {
		q.Source = &rawSource{Source: *o.Source, Name: []byte(o.Source.Name)}
	}
	if c.State.IsRunning() {
		return in(ctx, running{cs, c}, r, q, placed)
	}
	how, err := c.With(ctx, cs.Dirs(), worker.With{Files: []*os.File{r}, Event: func(data json.RawMessage) {
		var as []byte
		if json.Unmarshal(data, &as) == nil && placed != nil {
			placed(string(as))
		}
	}})
	if err == nil {
		left, err = inOp.Call(ctx, cs.Dirs(), q, how)
	}
	return left, err
}

// Export writes all files of a container to w, without what is mounted in it.
func Export(ctx context.Context, cs *container.Store, c *container.Container, w *os.File) (left []string, err error) {
	if c.State.IsRunning() {
		return export(ctx, running{cs, c}, w)
	}
	how, err := c.With(ctx, cs.Dirs(), worker.With{Files: []*os.File{w}})
	if err == nil {
		left, err = exportOp.Call(ctx, cs.Dirs(), c.ID, how)
	}
	return left, asOutput(err)
}

// asOutput is the error of a stream out of a worker as that of one out of a
// supervisor.
func asOutput(err error) error {
	var lost *lostError
	if errors.As(err, &lost) {
		return &control.OutputError{Stream: lost.Stream, Err: lost.Errno}
	}
	return err
}

func out(ctx context.Context, f files, w *os.File, r outRequest, found func(transfer.Info) error) ([]string, error) {
	info, err := f.stat(ctx, string(r.Path), r.Follow)
	if err == nil {
		err = found(info)
	}
	if err != nil {
		return nil, err
	}
	left, err := f.out(ctx, w, control.CopyOptions{Path: r.Path, As: r.As, Follow: r.Follow})
	f.happened("archive-path", err)
	return left, err
}

func export(ctx context.Context, f files, w *os.File) ([]string, error) {
	left, err := f.out(ctx, w, control.CopyOptions{Path: []byte("/"), Bare: true}) // what is mounted is not the container's
	f.happened("export", err)
	return left, err
}

func in(ctx context.Context, f files, r *os.File, q inRequest, placed func(as string)) ([]string, error) {
	dir := string(q.Path)
	if q.Source != nil {
		to, err := Find(dir, func(p string) (transfer.Info, error) { return f.stat(ctx, p, false) })
		if err != nil {
			return nil, err
		}
		src := q.Source.Source
		src.Name = string(q.Source.Name)
		if err := to.Check(src); err != nil {
			return nil, err
		}
		var as string
		dir, as = to.Place(src)
		if placed != nil {
			placed(as)
		}
	}
	left, err := f.in(ctx, r, control.CopyOptions{Path: []byte(dir), Owners: q.Owners})
	f.happened("extract-to-dir", err)
	return left, err
}
