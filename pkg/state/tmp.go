// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// TmpDir is where containers and volumes are made, to appear by one rename, and
// where they go, by another, to be deleted. It is on the file system of the
// root. What a process that was killed has left in it is found by its name:
//
//	container-ID, volume-*   not made yet, by who holds the staging lock
//	trash-ID                 to be deleted by whoever may
//	scratch-*                private to one process, which holds a lock in it
type TmpDir string

// The beginnings of names in tmp/.
const (
	containerPrefix = "container-"
	volumePrefix    = "volume-"
	trashPrefix     = "trash-"
	// ScratchPrefix is that of package overlay's private directories.
	ScratchPrefix = "scratch-"
)

func (t TmpDir) at(name string) string { return filepath.Join(string(t), name) }

// StagingLock is held, shared, by who makes something here.
func (t TmpDir) StagingLock() LockFile {
	return LockFile{filepath.Join(filepath.Dir(string(t)), "staging.lock"), RankStaging}
}

// Stage keeps what the caller makes here from being swept, until the lock is
// released.
func (t TmpDir) Stage(ctx context.Context) (*Lock, error) {
	return Acquire(ctx, t.StagingLock(), Shared)
}

// Container is where a container is made.
//
// Preconditions: Stage.
func (t TmpDir) Container(id string) ContainerDir { return ContainerDir(t.at(containerPrefix + id)) }

// NewVolume makes the directory that a volume is made in.
//
// Preconditions: Stage.
func (t TmpDir) NewVolume() (VolumeDir, error) {
	dir, err := os.MkdirTemp(string(t), volumePrefix)
	return VolumeDir(dir), err
}

// Discard makes a directory disappear from where it is, and returns where it is
// now: it is for RemoveTree.
func (t TmpDir) Discard(dir string) (trash string, err error) {
	trash = t.at(trashPrefix + NewID())
	return trash, os.Rename(dir, trash)
}

// ErrNeedsUserNS says that files are left which only the user namespace may
// delete, by [TmpDir.Sweep] in there.
var ErrNeedsUserNS = errors.New("files of subordinate ids are left")

// RemoveTree deletes what was discarded, or fails with ErrNeedsUserNS.
func RemoveTree(trash string) error {
	// overlayfs leaves its work directory without any permission; the owner
	// may give it back.
	_ = os.Chmod(filepath.Join(ContainerDir(trash).Work(), "work"), 0o700)
	err := os.RemoveAll(trash)
	if errors.Is(err, fs.ErrPermission) {
		return ErrNeedsUserNS
	}
	return err
}

// condemn discards what killed commands left unfinished, and returns that trash.
// While another command is at work here it leaves all of it.
func (t TmpDir) condemn() []string {
	entries, err := os.ReadDir(string(t))
	if err != nil {
		return nil
	}
	var lock *Lock
	defer func() { lock.Release() }()
	var trash []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), containerPrefix) && !strings.HasPrefix(e.Name(), volumePrefix) {
			continue
		}
		if lock == nil {
			if lock, err = TryAcquire(t.StagingLock(), Exclusive); err != nil {
				return nil
			}
		}
		if to, err := t.Discard(t.at(e.Name())); err == nil {
			trash = append(trash, to)
		}
	}
	return trash
}

// Tidy deletes what killed commands left unfinished, as far as it is the
// caller's own.
func (t TmpDir) Tidy() {
	for _, dir := range t.condemn() {
		_ = RemoveTree(dir) // what is left is for Sweep
	}
}

// Sweep deletes what was discarded, and what killed commands left unfinished.
//
// Preconditions: runs inside the user namespace, else it deletes only what the
// caller owns.
func (t TmpDir) Sweep() error {
	t.condemn()
	entries, err := os.ReadDir(string(t))
	if err != nil {
		return fmt.Errorf("sweep what was removed: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), trashPrefix) {
			errs = append(errs, RemoveTree(t.at(e.Name())))
		}
	}
	return errors.Join(errs...)
}

// NeedsSweep reports whether there is something that Sweep would delete, and
// Tidy could not.
func (t TmpDir) NeedsSweep() bool {
	t.Tidy()
	entries, _ := os.ReadDir(string(t))
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), trashPrefix) {
			return true
		}
	}
	return false
}
