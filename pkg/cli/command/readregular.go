// SPDX-License-Identifier: Apache-2.0

package command

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ReadRegular reads a regular file that is not longer than limit, in bytes. Of
// anything else there is no text, and its mode has [fs.ModeIrregular] besides its own.
func ReadRegular(path string, limit int64) ([]byte, fs.FileMode, error) {
	path = filepath.Clean(path)
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, info.Mode() | fs.ModeIrregular, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit))
	return data, info.Mode(), err
}
