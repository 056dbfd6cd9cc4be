// SPDX-License-Identifier: Apache-2.0

package logfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/state"
)

// openTries bounds how often the files are opened again because the log was
// rotated in between. The log itself may be missing for good: after a rotation
// that a full disk, or a kill, left half done.
const openTries = 50

// openAll opens the files of a log that are newer than since, oldest first; all
// of them when since is nil or is not among them any more.
func openAll(path string, since *os.File) ([]*os.File, error) {
	for tries := 1; ; tries++ {
		before, _ := os.Lstat(path)
		list, err := openFrom(path, since)
		if err != nil {
			return nil, err
		}
		after, _ := os.Lstat(path)
		if tries == openTries || before != nil && after != nil && os.SameFile(before, after) || before == nil && after == nil && len(list) == 0 {
			return list, nil
		}
		closeAll(list)
	}
}

// openFrom goes from the newest file to the oldest. One rotation meanwhile makes
// it meet a file twice, which is seen; with two it may meet them out of order.
func openFrom(path string, since *os.File) ([]*os.File, error) {
	var list []*os.File
	var seen []fs.FileInfo
	var known fs.FileInfo
	if since != nil {
		var err error
		if known, err = since.Stat(); err != nil {
			return nil, err
		}
	}
	for n, missing := 0, 0; missing < 2; n++ { // PATH is missing for a moment in each rotation
		f, err := os.OpenFile(rotated(path, n), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if errors.Is(err, fs.ErrNotExist) {
			missing++
			continue
		}
		var info fs.FileInfo
		if err == nil {
			info, err = f.Stat()
		}
		if err != nil {
			closeAll(append(list, f))
			return nil, err
		}
		if known != nil && os.SameFile(info, known) {
			f.Close()
			break
		}
		if slices.ContainsFunc(seen, func(have fs.FileInfo) bool { return os.SameFile(have, info) }) {
			f.Close()
			continue
		}
		list, seen = append(list, f), append(seen, info)
	}
	slices.Reverse(list)
	return list, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// seekTail leaves in next only the last n lines.
func (r *reader) seekTail(n int) error {
	for i := len(r.next) - 1; i >= 0; i-- {
		found, err := seekLines(r.next[i], n)
		if err != nil {
			return err
		}
		if n -= found; n <= 0 {
			closeAll(r.next[:i])
			r.next = r.next[i:]
			return nil
		}
	}
	return nil
}

// seekLines moves f behind all but the last n lines, and returns how many
// there are of them.
func seekLines(f *os.File, n int) (int, error) {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || n == 0 || end == 0 {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	pos, lines := end, 0
	for pos > 0 {
		size := min(int64(len(buf)), pos)
		pos -= size
		if _, err := f.ReadAt(buf[:size], pos); err != nil {
			return 0, err
		}
		for i := size - 1; i >= 0; i-- {
			if buf[i] != '\n' || pos+i == end-1 {
				continue
			}
			if lines++; lines == n {
				_, err := f.Seek(pos+i+1, io.SeekStart)
				return n, err
			}
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return lines + 1, err
}

// follow reads, sleeps until the log grows or Done is closed, and reads again.
func (r *reader) follow() error {
	// The directory tells of all its files, the one that comes next too.
	watch, err := state.Watch(filepath.Dir(r.path))
	if err != nil {
		return fmt.Errorf("follow log: %w", err)
	}
	defer watch.Close()
	var until <-chan time.Time
	if !r.o.Until.IsZero() {
		t := time.NewTimer(time.Until(r.o.Until))
		defer t.Stop()
		until = t.C
	}
	for {
		if err := r.catchUp(); err != nil {
			return err
		}
		select {
		case <-watch.Changed:
			continue
		case <-until:
		case <-r.o.Done:
		}
		return r.catchUp() // what was logged before
	}
}

// catchUp reads all there is, over rotations: a file that has another name by
// now is complete, and read to its end before the next.
func (r *reader) catchUp() error {
	for {
		if len(r.next) == 0 {
			newer, err := openAll(r.path, r.f)
			if err != nil {
				return fmt.Errorf("follow log: %w", err)
			}
			r.next = newer
		}
		rotated := len(r.next) > 0
		if err := r.drainAll(); err != nil {
			return err
		}
		if !rotated {
			return nil
		}
	}
}
