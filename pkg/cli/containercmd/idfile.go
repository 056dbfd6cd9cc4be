// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"coracle/pkg/cli/command"
)

// idFile is the file that --cidfile names. It has its name from when the
// container is there; whether it can be made is known before. Nil is none.
type idFile struct {
	f    *os.File
	name string
}

func openIDFile(name string) (*idFile, error) {
	if name == "" {
		return nil, nil
	}
	if _, err := os.Lstat(name); err == nil {
		return nil, errIDFileFound(name)
	}
	f, err := command.Unnamed(filepath.Dir(name))
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	if err != nil {
		return nil, command.Errorf("failed to create the container ID file: open %s: %v", name, err)
	}
	return &idFile{f, name}, nil
}

func errIDFileFound(name string) error {
	return command.Errorf("container ID file found, make sure the other container isn't running or delete %s", name)
}

// write gives the file its content, mode and name.
func (i *idFile) write(id string, mode fs.FileMode) error {
	if i == nil {
		return nil
	}
	_, err := i.f.WriteString(id)
	if err == nil {
		err = i.f.Chmod(mode)
	}
	if err == nil {
		err = unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", i.f.Fd()), unix.AT_FDCWD, i.name, unix.AT_SYMLINK_FOLLOW)
	}
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrExist):
		return errIDFileFound(i.name)
	case errors.As(err, &path):
		err = path.Err
	}
	if err != nil {
		return command.Errorf("failed to write the container ID to the file: write %s: %v", i.name, err)
	}
	return nil
}

// close gives the file up; once written it stays.
func (i *idFile) close() {
	if i == nil {
		return
	}
	i.f.Close()
	if i.f.Name() != command.NamelessFile {
		os.Remove(i.f.Name())
	}
}
