// SPDX-License-Identifier: Apache-2.0

package filedata

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Copy copies the bytes of a file to an empty one, and its holes as holes. A file that
// becomes shorter meanwhile is copied as far as it is there.
func Copy(ctx context.Context, to, from *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(from.Fd()), &st); err != nil {
		return &os.PathError{Op: "stat", Path: from.Name(), Err: err}
	}
	for at := int64(0); at < st.Size; {
		data, hole := nextData(int(from.Fd()), at, &st)
		if data >= st.Size {
			break
		}
		if err := copyRange(ctx, to, from, data, hole-data); err != nil {
			return err
		}
		at = hole
	}
	return to.Truncate(st.Size)
}

// nextData is where the next bytes of a file begin and end that are no hole
// (lseek(2), SEEK_DATA), or all the rest where nobody can tell.
func nextData(fd int, at int64, st *unix.Stat_t) (data, hole int64) {
	if st.Blocks*512 >= st.Size {
		return at, st.Size
	}
	data, err := unix.Seek(fd, at, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return st.Size, st.Size
	}
	if err != nil {
		return at, st.Size
	}
	if hole, err = unix.Seek(fd, data, unix.SEEK_HOLE); err != nil {
		return data, st.Size
	}
	return data, hole
}

// copyStep is how much the kernel copies before we look whether to go on, in
// bytes.
const copyStep = 64 << 20

func copyRange(ctx context.Context, to, from *os.File, at, size int64) error {
	if _, err := from.Seek(at, io.SeekStart); err != nil {
		return err
	}
	if _, err := to.Seek(at, io.SeekStart); err != nil {
		return err
	}
	for size > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.CopyN(to, from, min(size, copyStep))
		if errors.Is(err, io.EOF) {
			return nil // it is shorter now; who looks whether it has changed says so
		}
		if err != nil {
			return err
		}
		size -= n
	}
	return nil
}
