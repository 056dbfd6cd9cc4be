// SPDX-License-Identifier: Apache-2.0

package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/moby/patternmatcher/ignorefile"
	"golang.org/x/sys/unix"

	"coracle/pkg/dockerfile/parse"
)

// errNotRegular is said of a Dockerfile, or an ignore file, that is a pipe or a
// device: reading it may never end.
var errNotRegular = errors.New("not a regular file")

// ReadBounded reads a file of the user's, or of a context, to its end.
func ReadBounded(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, unix.EISDIR
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	return ReadLimited(f)
}

// ReadLimited reads what is not larger than a Dockerfile may be.
func ReadLimited(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, parse.MaxSize+1))
	if err == nil && len(data) > parse.MaxSize {
		err = fmt.Errorf("larger than %d bytes", parse.MaxSize)
	}
	return data, err
}

// OpenFlags are those that neither wait for the other end of a pipe nor take a terminal.
const OpenFlags = os.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY

// ReadIgnore reads an ignore file that has been opened, or was not there.
func ReadIgnore(f *os.File, err error) ([]string, error) {
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read .dockerignore: %w", err)
	}
	defer f.Close()
	data, err := ReadBounded(f)
	var patterns []string
	if err == nil {
		patterns, err = ignorefile.ReadAll(bytes.NewReader(data))
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path.Base(f.Name()), err)
	}
	return patterns, nil
}
