// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	moby "github.com/moby/moby/api/types/container"
	"golang.org/x/sys/unix"

	"coracle/pkg/container"
	"coracle/pkg/ns"
	"coracle/pkg/oci/spec"
	"coracle/pkg/overlay"
	"coracle/pkg/overlay/plain"
	"coracle/pkg/worker"
)

// Changes compares the container's read-write layer with its image, in the order
// of the paths. Nothing is read through the container's mounts, and links in the
// layer are not followed. Where a directory is closed to its owner, or to us, a
// worker looks.
func Changes(ctx context.Context, cs *container.Store, c *container.Container) ([]moby.FilesystemChange, error) {
	var list []moby.FilesystemChange
	if ns.Inside() || !overlay.Unsettled(c.Rootfs()) {
		list, err := changes(ctx, c)
		if !errors.Is(err, fs.ErrPermission) || ns.Inside() {
			return list, err
		}
	}
	_, err := changesOp.Call(ctx, cs.Dirs(), c.ID, worker.With{Event: func(data json.RawMessage) {
		var some []rawChange
		if json.Unmarshal(data, &some) != nil {
			return
		}
		for _, r := range some {
			list = append(list, moby.FilesystemChange{Kind: r.Kind, Path: string(r.Path)})
		}
	}})
	return list, err
}

// rawChange is a FilesystemChange, whose path may be no text.
type rawChange struct {
	Kind moby.ChangeType `json:"kind"`
	Path []byte          `json:"path"`
}

// changesAtOnce are so many as a message has certainly room for, however long the
// paths are.
const changesAtOnce = 1000

var changesOp = worker.Op[string, struct{}]{Name: "container.changes", Do: func(ctx context.Context, j *worker.Job, id string) (none struct{}, err error) {
	c, err := container.NewStore(j.Dirs).Load(id)
	if err != nil {
		return none, err
	}
	if err := overlay.Settle(ctx, c.Rootfs()); err != nil {
		return none, err
	}
	list, err := changes(ctx, c)
	for some := range slices.Chunk(list, changesAtOnce) {
		var raw []rawChange
		for _, ch := range some {
			raw = append(raw, rawChange{ch.Kind, []byte(ch.Path)})
		}
		j.Event(raw)
	}
	return none, err
}}

// changes is [Changes] in this process.
func changes(ctx context.Context, c *container.Container) ([]moby.FilesystemChange, error) {
	upper := c.Dir().Upper()
	var list []moby.FilesystemChange
	held := map[string]bool{} // directories in which something was only made to mount on
	err := filepath.WalkDir(upper, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		// The container may be running, and what was there a moment ago may be gone.
		if errors.Is(err, fs.ErrNotExist) && path != upper {
			return nil
		}
		if err != nil || path == upper {
			return err
		}
		rel := strings.TrimPrefix(path, upper)
		kind, err := kindOf(c.LayerDirs, path, rel, d)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case kind == moby.ChangeAdd && isMountStub(rel, d):
			held[filepath.Dir(rel)] = true
		default:
			list = append(list, moby.FilesystemChange{Kind: kind, Path: rel})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("compare container %.12s with its image: %w", c.ID, err)
	}
	for _, ch := range list {
		delete(held, filepath.Dir(ch.Path))
	}
	list = slices.DeleteFunc(list, func(ch moby.FilesystemChange) bool {
		return held[ch.Path] && ch.Kind == moby.ChangeModify && sameDirectory(c.LayerDirs, upper, ch.Path)
	})
	slices.SortFunc(list, func(a, b moby.FilesystemChange) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

// sameDirectory reports whether the read-write layer's directory has the image's
// mode and owner: what came into it is then all that happened to it.
func sameDirectory(layers []string, upper, rel string) bool {
	now, err := os.Lstat(upper + rel)
	was, werr := inImage(layers, rel)
	if err != nil || werr != nil || was == nil {
		return false
	}
	a, aok := now.Sys().(*syscall.Stat_t)
	b, bok := was.Sys().(*syscall.Stat_t)
	return aok && bok && a.Mode == b.Mode && a.Uid == b.Uid && a.Gid == b.Gid
}

// kindOf is what happened to rel, which the read-write layer has at path.
func kindOf(layers []string, path, rel string, d fs.DirEntry) (moby.ChangeType, error) {
	if gone, err := isWhiteout(path, d); err != nil || gone {
		return moby.ChangeDelete, err
	}
	if was, err := inImage(layers, rel); err != nil || was != nil {
		return moby.ChangeModify, err
	}
	return moby.ChangeAdd, nil
}

// isMountStub reports whether rel is an empty place that was only made to
// mount something of ours on: it is no change that the container made.
func isMountStub(rel string, d fs.DirEntry) bool {
	if !slices.Contains(spec.MountPoints(), rel) {
		return false
	}
	info, err := d.Info()
	return err == nil && (info.IsDir() || info.Mode().IsRegular() && info.Size() == 0)
}

// isWhiteout reports whether a removed file is marked here, as no container can do
// itself.
func isWhiteout(path string, d fs.DirEntry) (bool, error) {
	if d.IsDir() {
		return false, nil
	}
	info, err := d.Info()
	if err != nil {
		return false, err
	}
	return isMark(path, info), nil
}

func isMark(path string, info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && plain.IsMark(path, st.Mode, st.Rdev, st.Size)
}

// inImage is what the image shows at rel, or nil: its topmost layer that says
// anything about rel, or about a directory above it, decides.
func inImage(layers []string, rel string) (fs.FileInfo, error) {
	for _, layer := range slices.Backward(layers) {
		if found, decided, err := lookInLayer(layer, rel); decided || err != nil {
			return found, err
		}
	}
	return nil, nil
}

// lookInLayer walks rel in one layer, element by element, without following
// links. decided is false when layers below may still have it.
func lookInLayer(layer, rel string) (found fs.FileInfo, decided bool, err error) {
	path, opaque := layer, false
	elems := strings.Split(strings.Trim(rel, "/"), "/")
	for i, elem := range elems {
		path = filepath.Join(path, elem)
		found, err = os.Lstat(path)
		if errors.Is(err, fs.ErrPermission) {
			return nil, false, err
		}
		if err != nil {
			return nil, opaque, nil
		}
		if isMark(path, found) {
			return nil, true, nil
		}
		last := i == len(elems)-1
		if !found.IsDir() && !last {
			return nil, true, nil // a file hides the directories below it
		}
		if found.IsDir() && !last && !opaque {
			if opaque, err = isOpaque(path); err != nil {
				return nil, false, err
			}
		}
	}
	return found, true, nil
}

// isOpaque reports whether a directory hides those of the layers below. Its
// attributes are for who may read it.
func isOpaque(dir string) (bool, error) {
	var val [1]byte
	n, err := unix.Lgetxattr(dir, "user.overlay.opaque", val[:])
	if errors.Is(err, unix.EACCES) {
		return false, &fs.PathError{Op: "lgetxattr", Path: dir, Err: err}
	}
	return err == nil && n == 1 && val[0] == 'y', nil
}
