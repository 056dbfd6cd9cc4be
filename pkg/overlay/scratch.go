// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const scratchPrefix = "scratch-"

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
		dir, err := os.MkdirTemp(s.dirs.Tmp(), scratchPrefix)
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
	entries, err := os.ReadDir(s.dirs.Tmp())
	if err != nil {
		return false, err
	}
	found := false
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), scratchPrefix) {
			continue
		}
		dir := filepath.Join(s.dirs.Tmp(), e.Name())
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
