// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"coracle/pkg/cli/command"
)

// saveFile writes beside the file and renames: a save that fails leaves no
// part, and what was there stays. A device or pipe is written to as it is.
func saveFile(name string, save func(*os.File) error) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return command.Errorf("failed to save image: invalid output path: %q must be a file", name)
		}
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return command.Errorf("failed to save image: %v", err)
		}
		defer f.Close()
		return save(f)
	}
	f, err := unnamed(filepath.Dir(name))
	if err != nil {
		return command.Errorf("failed to save image: %v", err)
	}
	defer f.Close()
	if err := save(f); err != nil {
		if f.Name() != namelessFile {
			os.Remove(f.Name())
		}
		return err
	}
	return nameIt(f, name)
}

// namelessFile is what errors call a file without a name.
const namelessFile = "the archive"

// unnamed is a new file in dir that is gone if nobody names it, even when we are
// killed; where the file system has no such files, one with a name.
func unnamed(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return os.CreateTemp(dir, ".coracle-save-")
	}
	return os.NewFile(uintptr(fd), namelessFile), nil
}

// nameIt gives f the place of whatever has the name.
func nameIt(f *os.File, name string) error {
	part := f.Name()
	if part == namelessFile {
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
