// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// dyingTime is how long the end of a process that was killed may take: with the
// init of a pid namespace the kernel ends all of that first.
const dyingTime = 5 * time.Second

// Dies waits for the end of a process that was killed, or does not listen any
// more, and reports whether it came: within five seconds, and before ctx ends.
func (p Process) Dies(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, dyingTime)
	defer cancel()
	return p.wait(ctx, nil) == nil
}

// Kill sends SIGKILL to the process and waits for its end, for which ctx is the
// only limit. One that has ended is no error.
func (p Process) Kill(ctx context.Context) error {
	return p.wait(ctx, func(pidfd int) error {
		err := unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
		if errors.Is(err, unix.ESRCH) {
			return nil
		}
		return os.NewSyscallError("pidfd_send_signal", err)
	})
}

// wait waits for the end of the process, after first was done to it.
func (p Process) wait(ctx context.Context, first func(pidfd int) error) error {
	if !p.Alive() {
		return nil
	}
	fd, err := unix.PidfdOpen(p.Pid, 0)
	if err != nil {
		if !p.Alive() {
			return nil
		}
		return fmt.Errorf("wait for process %d: %w", p.Pid, os.NewSyscallError("pidfd_open", err))
	}
	defer unix.Close(fd)
	if !p.Alive() { // the pid may have been given away before it was opened
		return nil
	}
	if first != nil {
		if err := first(fd); err != nil {
			return err
		}
	}
	return pollReadable(ctx, fd)
}

// pollReadable waits until fd is readable: for a pidfd, until the process is
// gone. The poll is short, for nothing else can call it back.
func pollReadable(ctx context.Context, fd int) error {
	const interval = 100 // milliseconds
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, interval)
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("poll", err)
		}
	}
}
