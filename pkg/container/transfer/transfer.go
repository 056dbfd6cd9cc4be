// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/inroot"
)

// Info is what a path leads to: the fields of Docker's PathStat.
type Info struct {
	Name       string      `json:"name"` // see [BaseName]
	Size       int64       `json:"size"` // bytes
	Mode       fs.FileMode `json:"mode"`
	Mtime      time.Time   `json:"mtime"`
	LinkTarget string      `json:"linkTarget"` // of a symbolic link
}

// BaseName is what a path is called where it is copied to: its last part, "/" for
// the root.
func BaseName(name string) string { return path.Base(path.Clean("/" + name)) }

// NotFoundError says that there is nothing at a path.
type NotFoundError struct{ Path string }

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("Could not find the file %s in container", e.Path)
}

// NotDirectoryError says that what is at a path is no directory to unpack into.
type NotDirectoryError struct{ Path string }

func (e *NotDirectoryError) Error() string { return e.Path + ": not a directory" }

// NotArchiveError says that what was to be unpacked is no archive, or a part of one.
type NotArchiveError struct{ Message string }

func (e *NotArchiveError) Error() string { return e.Message }

// ReadOnlyError says that a directory cannot be copied to. Its texts are
// Docker's.
type ReadOnlyError struct{ Mounted bool }

func (e *ReadOnlyError) Error() string {
	if e.Mounted {
		return "mounted volume is marked read-only"
	}
	return "container rootfs is marked read-only"
}

// resolve opens what a path means inside root, without the right to read it.
// A slash at its end follows a link, too.
func resolve(root *os.File, name string, follow bool) (*os.File, error) {
	flags := unix.O_PATH
	if !follow {
		flags |= unix.O_NOFOLLOW
	}
	f, err := inroot.Root(root).Open(name, flags, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil, &NotFoundError{name}
	}
	return f, err
}

// Stat tells what is at a path inside root.
func Stat(root *os.File, name string, follow bool) (Info, error) {
	f, err := resolve(root, name, follow)
	if err != nil {
		return Info{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Info{}, err
	}
	i := Info{Name: BaseName(name), Mode: info.Mode(), Size: info.Size(), Mtime: info.ModTime()}
	if info.Mode()&fs.ModeSymlink != 0 {
		i.LinkTarget, err = inroot.Readlink(f)
	}
	return i, err
}

// Copy fills one directory with the content of another, whose attributes it
// takes, too: owners, modes, times, hard links, extended attributes. It returns
// what could not be copied.
func Copy(to, from *os.File) (left []string, err error) {
	ctx := context.Background() // it ends with the files
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	type result struct {
		left []string
		err  error
	}
	wrote := make(chan result, 1)
	go func() {
		left, err := Out(ctx, w, from, OutOptions{Path: "."})
		w.Close()
		wrote <- result{left, err}
	}()
	left, err = In(ctx, r, to, ".", InOptions{Owners: true, Top: true})
	r.Close()
	out := <-wrote
	if err == nil {
		err = out.err
	}
	return append(out.left, left...), err
}
