// SPDX-License-Identifier: Apache-2.0

package files

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// copyContent copies the bytes of a file, and its holes as holes.
func copyContent(to, from *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(from.Fd()), &st); err != nil {
		return &os.PathError{Op: "stat", Path: from.Name(), Err: err}
	}
	if st.Blocks*512 >= st.Size {
		_, err := io.Copy(to, from)
		return err
	}
	if err := to.Truncate(st.Size); err != nil {
		return err
	}
	for at := int64(0); at < st.Size; {
		data, err := unix.Seek(int(from.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // nothing but a hole up to the end
		}
		if err != nil {
			return copyRest(to, from, at)
		}
		hole, err := unix.Seek(int(from.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return copyRest(to, from, at)
		}
		if err := copyRange(to, from, data, hole-data); err != nil {
			return err
		}
		at = hole
	}
	return nil
}

func copyRest(to, from *os.File, at int64) error {
	if _, err := from.Seek(at, io.SeekStart); err != nil {
		return err
	}
	if _, err := to.Seek(at, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(to, from)
	return err
}

func copyRange(to, from *os.File, at, size int64) error {
	if _, err := from.Seek(at, io.SeekStart); err != nil {
		return err
	}
	if _, err := to.Seek(at, io.SeekStart); err != nil {
		return err
	}
	_, err := io.CopyN(to, from, size)
	if errors.Is(err, io.EOF) {
		return nil // it is shorter now; who looks whether it has changed says so
	}
	return err
}
