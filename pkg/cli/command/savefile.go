// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"coracle/pkg/image"
)

// SaveFile writes beside the file and renames: a save that fails leaves no
// part, and what was there stays. A device or pipe is written to as it is.
func SaveFile(name string, save func(*os.File) error) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return Errorf("failed to save image: invalid output path: %q must be a file", name)
		}
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return Errorf("failed to save image: %v", err)
		}
		defer f.Close()
		return save(f)
	}
	dir := filepath.Dir(name)
	if _, err := os.Stat(dir); err != nil {
		return Errorf("failed to save image: invalid output path: %v", err)
	}
	f, err := Unnamed(dir)
	var cause *fs.PathError
	if errors.As(err, &cause) { // which is about a name that nobody has typed
		err = &fs.PathError{Op: "open", Path: name, Err: cause.Err}
	}
	if err != nil {
		return Errorf("failed to save image: %v", err)
	}
	defer f.Close()
	if err := save(f); err != nil {
		if f.Name() != NamelessFile {
			os.Remove(f.Name())
		}
		return err
	}
	return nameIt(f, name)
}

// LostArchive is the error of a command whose archive standard output did not
// take. A pipe that nobody reads ends this program, as docker.
func LostArchive(e *Env, err error) error {
	var lost *image.WriteError
	if !errors.As(err, &lost) {
		return err
	}
	if lost.Errno == unix.EPIPE {
		_, _ = e.Stdout.File.Write([]byte{'\n'}) // Go sends this program SIGPIPE (os/signal)
	}
	err = &fs.PathError{Op: "write", Path: e.Stdout.Name(), Err: lost.Errno}
	e.Stdout.Lose(err)
	return err
}

// NamelessFile is what errors call a file without a name.
const NamelessFile = "the archive"

// Unnamed is a new file in dir that is gone if nobody names it, even when we are
// killed; where the file system has no such files, one with a name.
func Unnamed(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return os.CreateTemp(dir, ".coracle-save-")
	}
	return os.NewFile(uintptr(fd), NamelessFile), nil
}

// nameIt gives f the place of whatever has the name.
func nameIt(f *os.File, name string) error {
	part := f.Name()
	if part == NamelessFile {
		part = filepath.Join(filepath.Dir(name), fmt.Sprintf(".coracle-save-%d", os.Getpid()))
		if err := unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, part, unix.AT_SYMLINK_FOLLOW); err != nil {
			return &os.LinkError{Op: "link", Old: "saved image", New: part, Err: err}
		}
	}
	if err := os.Rename(part, name); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return nil
}
