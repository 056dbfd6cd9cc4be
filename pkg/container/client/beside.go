// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"coracle/pkg/container"
	"coracle/pkg/ns"
	"coracle/pkg/state"
	"coracle/pkg/wire/socket"
)

// serveBeside starts the process that serves Docker's API to a container which has the
// socket mounted, for as long as somebody asks: until then, and after that, it waits at
// the socket and is small. It is outside of the container's namespaces, as the containers that
// it makes are, and ends with the container's supervisor. The supervisor cannot start
// it, for it is inside.
func serveBeside(s *container.Store, c *container.Container, supervisor int) (err error) {
	if !slices.ContainsFunc(c.Mounts, func(m container.Mount) bool { return m.API }) {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("serve Docker's API to the container: %w", err)
		}
	}()
	run := s.Dirs().ContainerRun(c.ID)
	if err := os.MkdirAll(run, 0o700); err != nil {
		return err
	}
	dir, err := socket.OpenDir(run)
	if err != nil {
		return err
	}
	defer dir.Close()
	l, err := socket.Listen(dir, state.APISocket)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := os.Chmod(filepath.Join(run, state.APISocket), 0o600); err != nil {
		return err
	}
	listening, err := l.File()
	if err != nil {
		return err
	}
	defer listening.Close()
	fd, err := unix.PidfdOpen(supervisor, 0)
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	life := os.NewFile(uintptr(fd), "pidfd")
	defer life.Close()
	log, err := os.OpenFile(c.Dir().SupervisorLog(), os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{ns.StageAwait, ns.StageAPI, s.Dirs().Root, s.Dirs().Run}, Env: besideEnv(os.Environ()), Dir: "/",
		Stdout: log, Stderr: log, ExtraFiles: []*os.File{listening, life}, SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	reap(cmd.Process)
	return nil
}

// besideEnv is the environment without what belongs to the command that starts the
// container: the process outlives it.
func besideEnv(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return strings.HasPrefix(name, "LISTEN_") || strings.HasPrefix(name, "CORACLE_TRACE") || name == "NOTIFY_SOCKET" || name == "INVOCATION_ID"
	})
}
