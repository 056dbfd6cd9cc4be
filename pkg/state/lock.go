// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
type Lock struct{ f *os.File }

// Acquire takes the lock file at path, creating it 0600, and waits LockWait at
// most. The error then wraps ErrLocked and names the holder's pid and command.
func Acquire(ctx context.Context, path string, mode Mode) (*Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, LockWait)
	defer cancel()
	// flock(2) cannot be given a time limit and a blocked thread cannot be
	// called back, so the wait is a poll whose interval grows to 20 ms.
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		l, err := TryAcquire(path, mode)
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
func TryAcquire(path string, mode Mode) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), int(mode)|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		who := holder(f)
		f.Close()
		return nil, fmt.Errorf("lock %s: %w%s", filepath.Base(path), ErrLocked, who)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, os.NewSyscallError("flock", err))
	}
	if mode == Exclusive {
		// Only a word for whoever waits; the lock is good without it.
		_ = f.Truncate(0)
		_, _ = f.WriteAt([]byte(self()), 0)
	}
	return &Lock{f: f}, nil
}

// Release gives the lock up. It is safe to call twice.
func (l *Lock) Release() {
	if l != nil && l.f != nil {
		l.f.Close()
		l.f = nil
	}
}

// self names this process as the host sees it: /proc may belong to an outer
// pid namespace, where os.Getpid means nothing.
func self() string {
	pid, err := os.Readlink("/proc/self")
	if err != nil {
		pid = "?"
	}
	return pid + " " + strings.Join(os.Args[:min(len(os.Args), 3)], " ")
}

func holder(f *os.File) string {
	buf := make([]byte, 256)
	n, _ := f.ReadAt(buf, 0)
	pid, cmd, ok := strings.Cut(strings.TrimSpace(string(buf[:n])), " ")
	if !ok {
		return ""
	}
	return fmt.Sprintf(" (pid %s: %s)", pid, cmd)
}
