// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"coracle/pkg/state"
)

// scratch is a private directory for what must not outlive this process, made when
// it is first asked for. It is locked as long as the process lives: whoever finds one
// that is not removes it.
type scratch struct {
	tmp  state.TmpDir
	once sync.Once
	dir  *os.File // nil before
	err  error
}

// path is the directory's.
func (s *scratch) path() (string, error) {
	s.once.Do(s.make)
	if s.err != nil {
		return "", explain(fmt.Errorf("create scratch directory: %w", s.err))
	}
	return s.dir.Name(), nil
}

func (s *scratch) make() {
	for {
		var dir string
		if dir, s.err = os.MkdirTemp(string(s.tmp), state.ScratchPrefix); s.err != nil {
			return
		}
		s.dir, s.err = lockDir(dir)
		if !errors.Is(s.err, fs.ErrNotExist) && !errors.Is(s.err, unix.EWOULDBLOCK) {
			return
		}
		// a sweep came between
	}
}

// close removes the directory.
func (s *scratch) close() error {
	if s.dir == nil {
		return nil
	}
	err := os.RemoveAll(s.dir.Name())
	return errors.Join(err, s.dir.Close())
}

// lockDir opens and locks a directory that is still there.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	if _, err := os.Lstat(dir); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// sweepScratch removes what dead processes left, and reports whether there was
// anything.
func sweepScratch(tmp state.TmpDir) (bool, error) {
	entries, err := os.ReadDir(string(tmp))
	if err != nil {
		return false, err
	}
	found := false
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), state.ScratchPrefix) {
			continue
		}
		dir := filepath.Join(string(tmp), e.Name())
		f, err := lockDir(dir)
		if err != nil {
			continue // in use, or gone
		}
		found = true
		err = os.RemoveAll(dir)
		f.Close()
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// stagingGate keeps sweeps from a staging directory between the moment the
// library makes it and the moment it locks it.
func stagingGate(d state.Dirs, how int) (*os.File, error) {
	f, err := os.Open(d.Storage())
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, os.NewSyscallError("flock", err)
	}
	return f, nil
}

// sweepStaging removes the layers that dead processes were staging. The library
// does that only when a store is shut down for good.
func sweepStaging(d state.Dirs) error {
	gate, err := stagingGate(d, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer gate.Close()
	base := filepath.Join(d.Storage(), "overlay", "staging")
	entries, err := os.ReadDir(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := sweepStaged(filepath.Join(base, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// sweepStaged removes a staging directory unless somebody holds its lock.
func sweepStaged(dir string) error {
	lock, err := os.OpenFile(filepath.Join(dir, "staging.lock"), os.O_RDWR, 0)
	if err == nil {
		defer lock.Close()
		// Of the kind that conflicts even with a lock of this process.
		if unix.FcntlFlock(lock.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}) != nil {
			return nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(dir)
}
