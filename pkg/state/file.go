// SPDX-License-Identifier: Apache-2.0

package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// WriteFile replaces path by data: a temporary file beside it is written,
// synced and renamed over it, and the directory is synced. A reader sees the
// old content or the new, never a part; when nil is returned the new content
// survives a power cut.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	return writeFile(path, data, perm, true)
}

// WriteVolatile is WriteFile without the syncs: atomic for readers, but a
// power cut may lose it. For what is worthless after a reboot.
func WriteVolatile(path string, data []byte, perm fs.FileMode) error {
	return writeFile(path, data, perm, false)
}

func writeFile(path string, data []byte, perm fs.FileMode, durable bool) (err error) {
	dir := filepath.Dir(path)
	f, err := newFile(path)
	if err != nil {
		return Explain(named(err, path))
	}
	defer func() {
		if err != nil {
			err = Explain(named(err, path))
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := f.Chmod(perm); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if durable {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	// The rename is done: nothing below may remove the temporary name again.
	if cerr := f.Close(); cerr != nil {
		return fmt.Errorf("close %s: %w", path, cerr)
	}
	if durable {
		return SyncDir(dir)
	}
	return nil
}

// newFile is the file that is to replace path. It has one name for each path, and
// its writer locks it, which ends like no other file: one that was left by a writer who was killed is taken over
// by the next. While another is at work it has a name of its own.
func newFile(path string) (*os.File, error) {
	dir, base := filepath.Split(path)
	f, err := os.OpenFile(dir+newPrefix+base+"-", os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err == nil && takeOver(f) {
		return f, nil
	}
	f.Close()
	return os.CreateTemp(filepath.Dir(path), newPrefix+"*")
}

const newPrefix = ".new-"

// takeOver empties a file that is this user's alone, and that nobody is writing.
func takeOver(f *os.File) bool {
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return false
	}
	var ours, there unix.Stat_t
	if unix.Fstat(int(f.Fd()), &ours) != nil || unix.Lstat(f.Name(), &there) != nil {
		return false
	}
	// It may have been renamed before it was locked.
	same := ours.Dev == there.Dev && ours.Ino == there.Ino && ours.Nlink == 1
	return same && ours.Mode&unix.S_IFMT == unix.S_IFREG && int(ours.Uid) == os.Geteuid() && f.Truncate(0) == nil
}

// named gives an error of the file that is to replace path that path's name.
func named(err error, path string) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return &fs.PathError{Op: pe.Op, Path: path, Err: pe.Err}
	}
	return err
}

// SyncDir makes the names in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// WriteJSON is WriteFile of v as JSON.
func WriteJSON(path string, v any, perm fs.FileMode) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	return WriteFile(path, append(data, '\n'), perm)
}

// WriteVolatileJSON is WriteVolatile of v as JSON.
func WriteVolatileJSON(path string, v any, perm fs.FileMode) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	return WriteVolatile(path, append(data, '\n'), perm)
}

// ReadJSON decodes path into v.
func ReadJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("decode %s: %w", path, err)
	}
	return nil
}
