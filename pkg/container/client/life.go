// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/state"
)

// Signal sends a signal to the first process of a running container. SIGKILL
// returns when the container is down.
func Signal(ctx context.Context, c *container.Container, sig syscall.Signal) error {
	if !c.State.IsRunning() {
		return &container.NotRunningError{ID: c.ID}
	}
	if sig == unix.SIGKILL {
		return stop(ctx, c, sig, 0)
	}
	_, err := call(ctx, c, control.Request{Op: control.OpSignal, Signal: int(sig)})
	return err
}

// Kill ends a container at once, for rm -f: by its supervisor, or without it.
func Kill(ctx context.Context, c *container.Container) error {
	return Signal(ctx, c, unix.SIGKILL)
}

// Stop asks the container to end, with its stop signal when sig is 0, and
// kills it after timeout seconds (nil: the container's own; -1: never). It
// returns when the container is down. A container that does not run is no
// error.
func Stop(ctx context.Context, c *container.Container, sig syscall.Signal, timeout *int) error {
	if !c.State.IsRunning() {
		return nil
	}
	seconds := c.Life.StopSeconds()
	if timeout != nil {
		seconds = *timeout
	}
	return stop(ctx, c, sig, seconds)
}

// answerMargin is how much longer than its own time limit a supervisor may
// take before it is taken for wedged and killed.
const answerMargin = 10 * time.Second

func stop(ctx context.Context, c *container.Container, sig syscall.Signal, seconds int) error {
	asking, cancel := ctx, func() {}
	if seconds >= 0 {
		margin := answerMargin
		if state.Stopped(c.State.Supervisor.Pid) {
			margin = stoppedTime
		}
		asking, cancel = context.WithTimeout(ctx, time.Duration(seconds)*time.Second+margin)
	}
	defer cancel()
	_, err := call(asking, c, control.Request{Op: control.OpStop, Signal: int(sig), Timeout: &seconds})
	switch {
	case err == nil || errors.Is(err, container.ErrNotRunning):
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	// No answer: the supervisor is wedged, dead or dying. Make sure of it, for its
	// death is the death of everything in the container.
	if err := c.State.Supervisor.Kill(ctx); err != nil {
		return fmt.Errorf("kill supervisor: %w", err)
	}
	return nil
}

// Wait blocks until the first process of a container has ended, or until that
// which follows has when the container waits to be started again, and returns the
// exit code.
func Wait(ctx context.Context, s *container.Store, c *container.Container) (int, error) {
	return wait(ctx, s, c, control.OpWait)
}

// WaitDown blocks until the container is down, and returns its exit code: it is not
// started again.
func WaitDown(ctx context.Context, s *container.Store, c *container.Container) (int, error) {
	return wait(ctx, s, c, control.OpWaitDown)
}

func wait(ctx context.Context, s *container.Store, c *container.Container, op string) (int, error) {
	if !c.State.IsRunning() {
		return c.State.ExitCode, nil
	}
	r, err := call(ctx, c, control.Request{Op: op})
	if err == nil {
		return r.Code, nil
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	// The container went down, or was removed, before we were connected.
	again, lerr := s.Load(c.ID)
	var gone *container.NotFoundError
	switch {
	case errors.As(lerr, &gone): // with --rm, it took its record along
		if code, known := journaled(ctx, s, c); known {
			return code, nil
		}
		return 0, lerr
	case lerr != nil || again.State.IsRunning():
		return 0, err
	}
	return again.State.ExitCode, nil
}
