// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/state"
	"coracle/pkg/wire/socket"
)

// dial connects to the supervisor of a running container.
func (s *Store) dial(c *Container) (*Conn, error) {
	state.MustHoldNone("ask a supervisor")
	if !c.State.IsRunning() {
		return nil, &notRunningError{c.ID}
	}
	dir := c.State.RunDir
	if dir == "" {
		dir = s.dirs.ContainerRun(c.ID)
	}
	who := peer{c.ID, c.State.Supervisor.Pid}
	conn, err := dialIn(dir)
	if errors.Is(err, syscall.EAGAIN) { // as many wait to be accepted as the socket takes
		return nil, &silentError{peer: who, stopped: who.stopped()}
	}
	if (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)) && c.dying() {
		return nil, &notRunningError{c.ID}
	}
	if err != nil {
		return nil, fmt.Errorf("connect to supervisor of container %s: %w", short(c.ID), err)
	}
	conn.with = who
	return conn, nil
}

// dyingTime is how long the end of a killed supervisor may take: the kernel
// ends its whole pid namespace first.
const dyingTime = 5 * time.Second

// dying waits for the end of a supervisor that does not listen any more, and
// reports whether it came.
func (c *Container) dying() bool {
	fd, err := unix.PidfdOpen(c.State.Supervisor.Pid, 0)
	if err != nil {
		return !c.State.Supervisor.Alive()
	}
	defer unix.Close(fd)
	ctx, cancel := context.WithTimeout(context.Background(), dyingTime)
	defer cancel()
	return !c.State.Supervisor.Alive() || pollReadable(ctx, fd) == nil
}

// dialIn connects to the socket in dir.
func dialIn(dir string) (*Conn, error) {
	c, err := socket.Dial(filepath.Join(dir, state.ControlSocket))
	if err != nil {
		return nil, err
	}
	return WrapConn(c), nil
}

// ListenIn makes the control socket in dir, mode 0600 in a directory of mode
// 0700, replacing what a dead supervisor left.
func ListenIn(dir string) (*net.UnixListener, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create control socket: %w", err)
	}
	d, err := socket.OpenDir(dir)
	if err != nil {
		return nil, fmt.Errorf("create control socket: %w", err)
	}
	defer d.Close()
	l, err := socket.Listen(d, state.ControlSocket)
	if err != nil {
		return nil, fmt.Errorf("create control socket: %w", err)
	}
	return l, nil
}
