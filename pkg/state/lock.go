// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Mode is how a lock is held.
type Mode int

const (
	// Shared lets other shared holders in.
	Shared Mode = unix.LOCK_SH
	// Exclusive keeps everybody else out.
	Exclusive Mode = unix.LOCK_EX
)

// LockWait is how long Acquire waits before it gives up and names the holder.
const LockWait = 30 * time.Second

// ErrLocked says that somebody else holds the lock.
var ErrLocked = errors.New("locked by another process")

// Lock is a held flock(2). The kernel releases it when the process dies.
type Lock struct {
	f    *os.File
	file LockFile
}

// Acquire takes a lock, creating its file 0600, and waits LockWait at most. The
// error then wraps ErrLocked and names the holder's pid and command. Builds with
// the tag lockorder, as tests are, end here when the order of [Rank] is broken.
func Acquire(ctx context.Context, file LockFile, mode Mode) (*Lock, error) {
	checkOrder(file)
	ctx, cancel := context.WithTimeout(ctx, LockWait)
	defer cancel()
	// flock(2) cannot be given a time limit and a blocked thread cannot be
	// called back, so the wait is a poll whose interval grows to 20 ms.
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		l, err := TryAcquire(file, mode)
		if !errors.Is(err, ErrLocked) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}

// TryAcquire is Acquire without waiting.
func TryAcquire(file LockFile, mode Mode) (*Lock, error) {
	f, err := os.OpenFile(file.Path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, Explain(err)
	}
	err = unix.Flock(int(f.Fd()), int(mode)|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		defer f.Close()
		return nil, newLockedError(f, file)
	}
	if err != nil {
		f.Close()
		return nil, noLocks(fmt.Errorf("lock %s: %w", file.Path, os.NewSyscallError("flock", err)))
	}
	l := &Lock{f, file}
	noteHeld(l)
	return l, nil
}

// Release gives the lock up. It is safe to call twice.
func (l *Lock) Release() {
	if l != nil && l.f != nil {
		noteReleased(l)
		l.f.Close()
		l.f = nil
	}
}

// lockedError names who holds a lock at the time that it is read: most who try one
// never ask, and the kernel's list may be long.
type lockedError struct {
	file  LockFile
	inode uint64
}

func newLockedError(f *os.File, file LockFile) error {
	var st unix.Stat_t
	_ = unix.Fstat(int(f.Fd()), &st) // without an inode nobody is named
	return &lockedError{file, st.Ino}
}

func (e *lockedError) Error() string {
	return fmt.Sprintf("lock %v (%s): %v%s", e.file.Rank, filepath.Base(e.file.Path), ErrLocked, holder(e.inode))
}
func (e *lockedError) Unwrap() error { return ErrLocked }

// holder names who has the lock, as the kernel lists it in proc_locks(5):
//
//	1: FLOCK  ADVISORY  WRITE 3568 fd:00:2531452 0 EOF
//
// The numbers of the device are not compared: those of btrfs differ from what
// stat(2) says.
func holder(number uint64) string {
	data, err := os.ReadFile("/proc/locks")
	if err != nil {
		return ""
	}
	inode := ":" + strconv.FormatUint(number, 10)
	for line := range strings.Lines(string(data)) {
		w := strings.Fields(line)
		if len(w) < 6 || w[1] != "FLOCK" || !strings.HasSuffix(w[5], inode) {
			continue
		}
		cmd, err := os.ReadFile("/proc/" + w[4] + "/cmdline")
		if err != nil || len(cmd) == 0 {
			continue
		}
		args := strings.Split(strings.TrimRight(string(cmd), "\x00"), "\x00")
		return fmt.Sprintf(" (pid %s: %s)", w[4], strings.Join(args[:min(len(args), 3)], " "))
	}
	return ""
}
