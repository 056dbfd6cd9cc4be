// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/state"
)

// Signal sends a signal to the first process of a running container. SIGKILL
// returns when the container is down.
func (s *Store) Signal(ctx context.Context, c *Container, sig syscall.Signal) error {
	if !c.State.IsRunning() {
		return &notRunningError{c.ID}
	}
	if sig == unix.SIGKILL {
		zero := 0
		return s.stop(ctx, c, Request{Op: OpStop, Signal: int(sig), Timeout: &zero}, 0)
	}
	_, err := s.call(c, Request{Op: OpSignal, Signal: int(sig)})
	return err
}

// Stop asks the container to end, with its stop signal when sig is 0, and
// kills it after timeout seconds (nil: the container's own; -1: never). It
// returns when the container is down. A container that does not run is no
// error.
func (s *Store) Stop(ctx context.Context, c *Container, sig syscall.Signal, timeout *int) error {
	if !c.State.IsRunning() {
		return nil
	}
	if timeout == nil {
		timeout = c.Life.StopTimeout
	}
	ten := 10
	if timeout == nil {
		timeout = &ten
	}
	return s.stop(ctx, c, Request{Op: OpStop, Signal: int(sig), Timeout: timeout}, *timeout)
}

// answerMargin is how much longer than its own time limit a supervisor may
// take before it is taken for wedged and killed.
const answerMargin = 10 * time.Second

func (s *Store) stop(ctx context.Context, c *Container, req Request, seconds int) error {
	done := make(chan error, 1)
	go func() {
		_, err := s.call(c, req)
		done <- err
	}()
	var wedged <-chan time.Time
	if seconds >= 0 {
		margin := answerMargin
		if state.Stopped(c.State.Supervisor.Pid) {
			margin = stoppedTime
		}
		t := time.NewTimer(time.Duration(seconds)*time.Second + margin)
		defer t.Stop()
		wedged = t.C
	}
	select {
	case err := <-done:
		if err == nil || errors.Is(err, ErrNotRunning) {
			return nil
		}
		// No answer: the supervisor is dead or dying. Make sure of it, for its
		// death is the death of everything in the container.
		return c.killSupervisor(ctx)
	case <-wedged:
		return c.killSupervisor(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// killSupervisor kills the supervisor of c, and with it the outer pid
// namespace, and waits for its end.
func (c *Container) killSupervisor(ctx context.Context) error {
	if !c.State.Supervisor.Alive() {
		return nil
	}
	fd, err := unix.PidfdOpen(c.State.Supervisor.Pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("kill supervisor: %w", os.NewSyscallError("pidfd_open", err))
	}
	defer unix.Close(fd)
	if !c.State.Supervisor.Alive() { // the pid may have been given away before it was opened
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill supervisor: %w", os.NewSyscallError("pidfd_send_signal", err))
	}
	return pollReadable(ctx, fd)
}

// pollReadable waits until fd is readable: for a pidfd, until the process is
// gone.
func pollReadable(ctx context.Context, fd int) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 200)
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("poll", err)
		}
	}
}

// Wait blocks until the first process of a container has ended, or until that
// which follows has when the container waits to be started again, and returns the
// exit code.
func (s *Store) Wait(c *Container) (int, error) { return s.wait(c, OpWait) }

// WaitDown blocks until the container is down: it is not started again.
func (s *Store) WaitDown(c *Container) error {
	_, err := s.wait(c, OpWaitDown)
	return err
}

func (s *Store) wait(c *Container, op string) (int, error) {
	if c.State.IsRunning() {
		r, err := s.call(c, Request{Op: op})
		if err == nil {
			return r.Code, nil
		}
		// The container went down, or was removed, before we were connected.
		again, lerr := s.Load(c.ID)
		if lerr != nil {
			return 0, err
		}
		if again.State.IsRunning() {
			return 0, err
		}
		return again.State.ExitCode, nil
	}
	return c.State.ExitCode, nil
}

// Kill ends a container at once, for rm -f: by its supervisor, or without it.
func (s *Store) Kill(ctx context.Context, c *Container) error {
	return s.Signal(ctx, c, unix.SIGKILL)
}
