// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"errors"
	"fmt"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/oci/spec"
)

// ParseSignal reads a number, or a name with or without SIG. 0 asks whether the
// process is there (kill(2)), and is no signal for anything else.
func ParseSignal(s string) (unix.Signal, error) {
	if s == "0" {
		return 0, nil
	}
	return spec.ParseSignal(s)
}

// Kill sends a signal to the first process of a container.
func (s *Store) Kill(id string, sig unix.Signal) error {
	c, err := s.Get(id)
	if err != nil {
		return err
	}
	if st := c.Status(); st == specs.StateStopped {
		return fmt.Errorf("cannot kill container %q: it is %s", id, st)
	}
	return c.signal(sig)
}

// signal goes to the process that the record means, and to none that has its
// pid by now: a pidfd that is open keeps the pid from being somebody else's.
func (c *Container) signal(sig unix.Signal) error {
	fd, err := unix.PidfdOpen(c.Init.Pid, 0)
	if err == nil {
		defer unix.Close(fd)
		if !c.Init.Alive() {
			err = unix.ESRCH
		} else {
			err = unix.PidfdSendSignal(fd, sig, nil, 0)
		}
	}
	if err != nil {
		return fmt.Errorf("kill container %q: %w", c.ID, os.NewSyscallError("pidfd_send_signal", err))
	}
	return nil
}

// endWait is how long a killed process may take to end.
const endWait = 10 * time.Second

// end kills the container and waits until its first process is gone, which is
// when the kernel has killed all others of its pid namespace.
func (c *Container) end() error {
	fd, err := unix.PidfdOpen(c.Init.Pid, 0)
	if errors.Is(err, unix.ESRCH) || !c.Init.Alive() {
		return nil
	}
	if err != nil {
		return fmt.Errorf("kill container %q: %w", c.ID, os.NewSyscallError("pidfd_open", err))
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill container %q: %w", c.ID, os.NewSyscallError("pidfd_send_signal", err))
	}
	for until := time.Now().Add(endWait); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Until(until).Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return os.NewSyscallError("poll", err)
		case n == 0:
			return fmt.Errorf("kill container %q: it has not ended in %s", c.ID, endWait)
		default:
			return nil
		}
	}
}
