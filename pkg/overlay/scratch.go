// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"coracle/pkg/state"

	"golang.org/x/sys/unix"
)

// Scratch is a private directory for what must not outlive this process. It is
// locked as long as the process lives: whoever finds one that is not removes
// it.
func (s *Store) Scratch() (string, error) {
	s.scratchOnce.Do(func() { s.scratch, s.scratchErr = s.newScratch() })
	if s.scratchErr != nil {
		return "", explain(fmt.Errorf("create scratch directory: %w", s.scratchErr))
	}
	return s.scratch.Name(), nil
}

func (s *Store) newScratch() (*os.File, error) {
	for {
		dir, err := os.MkdirTemp(string(s.dirs.Tmp()), state.ScratchPrefix)
		if err != nil {
			return nil, err
		}
		f, err := lockDir(dir)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EWOULDBLOCK) {
			continue // a sweep came between
		}
		return f, err
	}
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
func (s *Store) sweepScratch() (bool, error) {
	entries, err := os.ReadDir(string(s.dirs.Tmp()))
	if err != nil {
		return false, err
	}
	found := false
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), state.ScratchPrefix) {
			continue
		}
		dir := filepath.Join(string(s.dirs.Tmp()), e.Name())
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
func (s *Store) stagingGate(how int) (*os.File, error) {
	f, err := os.Open(s.dirs.Storage())
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
func (s *Store) sweepStaging() error {
	gate, err := s.stagingGate(unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer gate.Close()
	base := filepath.Join(s.dirs.Storage(), "overlay", "staging")
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
