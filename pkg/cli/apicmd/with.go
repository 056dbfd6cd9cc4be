// SPDX-License-Identifier: Apache-2.0

package apicmd

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/api"
	"coracle/pkg/cli/command"
	"coracle/pkg/container/create"
)

// maxSocketPath is what fits into the address of a socket, unix(7), and is found by
// programs that know nothing else.
const maxSocketPath = 107

// runWith runs a command beside which a socket is served. It ends with the command,
// and with its code.
func runWith(ctx context.Context, e *command.Env, args []string) error {
	engine, err := newEngine(e)
	if err != nil {
		return err
	}
	dir, err := privateDir(engine.Dirs.Run)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	socket := "unix://" + filepath.Join(dir, "docker.sock")
	l, err := api.Listen(socket)
	if err != nil {
		return err
	}
	if err := os.Setenv(create.OwnSocket, socket); err != nil { // for containers that are made here, too
		return err
	}
	sigs := make(chan os.Signal, 64)
	signal.Notify(sigs, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2)
	defer signal.Stop(sigs)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.Stdin, e.Stdout.File, e.Stderr
	cmd.Env = environment(os.Environ(), socket)
	own := unix.Umask(e.Umask) // nobody is served yet
	err = cmd.Start()
	unix.Umask(own)
	if err != nil {
		l.Close()
		return notStarted(args[0], err)
	}
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- engine.Serve(ctx, l, 0) }()
	ended := make(chan struct{})
	go forward(cmd.Process, e.Stdin, sigs, ended)
	_ = cmd.Wait() // the state says all
	close(ended)
	cancel()
	<-served
	ws, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return command.Exit(128 + int(ws.Signal()))
	}
	return command.Exit(ws.ExitStatus())
}

// privateDir makes a directory for a socket, as near to the other ones as its path
// may be long.
func privateDir(run string) (string, error) {
	sweepDirs(run)
	var all error
	for _, parent := range []string{run, os.TempDir(), "/tmp"} {
		if len(filepath.Join(parent, "api-0123456789", "docker.sock")) > maxSocketPath {
			continue
		}
		dir, err := os.MkdirTemp(parent, "api-")
		if err == nil {
			return dir, nil
		}
		all = errors.Join(all, err)
	}
	return "", all
}

// sweepDirs removes the directories of those that were killed: nobody listens there,
// nor will, as in one that has just been made.
func sweepDirs(run string) {
	const young = time.Minute
	dirs, _ := filepath.Glob(filepath.Join(run, "api-*")) // the pattern is right
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < young {
			continue
		}
		if c, err := net.Dial("unix", filepath.Join(dir, "docker.sock")); err == nil {
			c.Close()
			continue
		}
		_ = os.RemoveAll(dir)
	}
}

// environment is how a command finds the socket. What would lead it elsewhere is left
// out.
func environment(env []string, socket string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains([]string{"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", create.OwnSocket}, name)
	})
	env = append(env, "DOCKER_HOST="+socket, create.OwnSocket+"="+socket)
	if os.Getenv(hostOverride) == "" && isContainer() {
		env = append(env, hostOverride+"=localhost")
	}
	return env
}

// hostOverride tells testcontainers where ports are published. In a container it
// would take the network's gateway for that, as if the engine were outside.
const hostOverride = "TESTCONTAINERS_HOST_OVERRIDE"

// isContainer reports whether this host is one, by the files that engines leave there.
func isContainer() bool {
	return slices.ContainsFunc([]string{"/.dockerenv", "/run/.containerenv"}, func(file string) bool {
		_, err := os.Stat(file)
		return err == nil
	})
}

// notStarted has the code that shells give.
func notStarted(name string, err error) error {
	code := 126
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		code = 127
	}
	return command.ExitWith(code, command.Errorf("run %s: %v", name, err))
}

// forward passes signals on. Those of the keyboard reach a command by themselves that
// is in the foreground of the same terminal.
func forward(p *os.Process, stdin *os.File, sigs chan os.Signal, ended chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case s := <-sigs:
			if (s == unix.SIGINT || s == unix.SIGQUIT) && inForeground(stdin) {
				continue
			}
			_ = p.Signal(s)
		}
	}
}

func inForeground(stdin *os.File) bool {
	group, err := unix.IoctlGetInt(int(stdin.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
