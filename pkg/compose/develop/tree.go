// SPDX-License-Identifier: Apache-2.0

package develop

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
)

// mask is what is heard of in a directory, see inotify(7). What is only read is not.
const mask = unix.IN_CREATE | unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_ONLYDIR

// Tree watches files and directories, with all that is below. It has one watch of
// inotify for each directory, and one for what each root is in: a root that is
// removed and made again is watched again, and one that is not there yet, once it is.
type Tree struct {
	f     *os.File
	roots []string
	skip  func(dir string) bool
	paths map[int32]string // by watch
	ids   map[string]int32
}

// NewTree watches roots, which are absolute paths. Directories that skip says are
// left out, with all that is below.
func NewTree(roots []string, skip func(dir string) bool) (*Tree, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if errors.Is(err, unix.EMFILE) {
		return nil, hint.With(errors.New("watch files: you have as many instances of inotify as fs.inotify.max_user_instances allows"),
			"end what else watches files, or raise it as root: sysctl fs.inotify.max_user_instances=1024")
	}
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	t := &Tree{f: os.NewFile(uintptr(fd), "inotify"), roots: roots, skip: skip, paths: map[int32]string{}, ids: map[string]int32{}}
	for _, root := range roots {
		if err := t.arm(root, nil); err != nil {
			t.Close()
			return nil, err
		}
	}
	return t, nil
}

// Close ends [Tree.Run], too.
func (t *Tree) Close() error { return t.f.Close() }

// Run calls changed for each path that has changed, is new or gone, until ctx ends. Of
// a directory that appears, all that is in it is new.
func (t *Tree) Run(ctx context.Context, changed func(path string)) error {
	defer context.AfterFunc(ctx, func() { t.f.Close() })()
	buf := make([]byte, 64<<10)
	for {
		n, err := t.f.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("watch files: %w", err)
		}
		for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			id, what, size := int32(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint32(b[4:]), binary.NativeEndian.Uint32(b[12:])
			name := string(bytes.TrimRight(b[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+int(size)], "\x00"))
			b = b[unix.SizeofInotifyEvent+int(size):]
			if err := t.heard(id, what, name, changed); err != nil {
				return err
			}
		}
	}
}

// heard is one event.
func (t *Tree) heard(id int32, what uint32, name string, changed func(string)) error {
	if what&unix.IN_Q_OVERFLOW != 0 { // some were lost: everything may have changed
		for _, root := range t.roots {
			if err := t.arm(root, changed); err != nil {
				return err
			}
		}
		return nil
	}
	dir, ok := t.paths[id]
	if !ok {
		return nil
	}
	if what&unix.IN_IGNORED != 0 {
		delete(t.paths, id)
		delete(t.ids, dir)
		return nil
	}
	if name == "" {
		return nil // the directory itself, of which what it is in says the same
	}
	path := filepath.Join(dir, name)
	isNew := what&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0
	if what&unix.IN_ISDIR != 0 && !isNew && what&unix.IN_ATTRIB == 0 {
		t.forget(path)
	}
	for _, root := range t.roots {
		if path != root && Within(path, root) && isNew {
			if err := t.arm(root, changed); err != nil {
				return err
			}
		}
	}
	switch {
	case !t.watched(path):
		return nil
	case what&unix.IN_ISDIR != 0 && isNew:
		return t.add(path, changed)
	}
	changed(path)
	return nil
}

// watched reports whether a path is one of those, or below.
func (t *Tree) watched(path string) bool {
	for _, root := range t.roots {
		if Within(root, path) {
			return true
		}
	}
	return false
}

// arm watches a root and what it is in, or what it would be in.
func (t *Tree) arm(root string, changed func(string)) error {
	above := filepath.Dir(root)
	for {
		err := t.watch(above)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
			return err
		}
		above = filepath.Dir(above)
	}
	info, err := os.Stat(root)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return nil
	case err != nil:
		return fmt.Errorf("watch files: %w", err)
	case info.IsDir():
		return t.add(root, changed)
	case changed != nil:
		changed(root)
	}
	return nil
}

// add watches a directory and all below, and says of everything in it that it has
// changed. What cannot be read is left out; what is gone again is gone.
func (t *Tree) add(dir string, changed func(string)) error {
	if changed != nil {
		changed(dir)
	}
	if t.skip != nil && t.skip(dir) {
		return nil
	}
	// First the watch: what appears while the directory is read is heard of twice.
	if err := t.watch(dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.ENOTDIR) {
			return nil
		}
		return err
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, d := range list {
		path := filepath.Join(dir, d.Name())
		if d.IsDir() {
			if err := t.add(path, changed); err != nil {
				return err
			}
		} else if changed != nil {
			changed(path)
		}
	}
	return nil
}

// watch watches a directory.
func (t *Tree) watch(dir string) error {
	id, err := unix.InotifyAddWatch(int(t.f.Fd()), dir, mask)
	if errors.Is(err, unix.ENOSPC) {
		return hint.With(fmt.Errorf("watch %s: fs.inotify.max_user_watches allows you no more than the %d directories that are watched here, and those of your other programs", dir, len(t.paths)),
			"name directories that need no watch in ignore or .dockerignore, or raise it as root: sysctl fs.inotify.max_user_watches=1048576")
	}
	if err != nil {
		return fmt.Errorf("watch %s: %w", dir, err)
	}
	t.paths[int32(id)], t.ids[dir] = dir, int32(id)
	return nil
}

// forget ends the watches of a directory that is no more where it was, and of all
// below.
func (t *Tree) forget(dir string) {
	for path, id := range t.ids {
		if Within(dir, path) {
			_, _ = unix.InotifyRmWatch(int(t.f.Fd()), uint32(id))
			delete(t.ids, path)
			delete(t.paths, id)
		}
	}
}

// Within reports whether a clean absolute path is dir or below.
func Within(dir, path string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
