// SPDX-License-Identifier: Apache-2.0

package apicmd

import (
	"context"
	"io"
	"net"
	"os"
	"os/signal"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"coracle/pkg/cli/command"
)

// DialStdio is the command system dial-stdio: the API for the one client at the other
// end of this command's input and output, which as a rule is ssh(1): a docker command
// with DOCKER_HOST=ssh://HOST calls it there, once for each connection.
func DialStdio(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "dial-stdio", Usage: "Proxy the stdio stream to the daemon connection",
		Action: command.Takes(e, 0, 0, func(e *command.Env, c *cli.Context) error { return serveStdio(c.Context, e) }),
	}
}

func serveStdio(ctx context.Context, e *command.Env) error {
	engine, err := newEngine(e)
	if err != nil {
		return err
	}
	engine.Log = e.Stderr
	ctx, stop := command.UntilSignal(ctx)
	defer stop()
	signal.Ignore(unix.SIGPIPE) // a client that has left is seen to
	ours, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer ours.Close()
	go func() {
		_, _ = io.Copy(ours, e.Stdin)
		_ = ours.CloseWrite() // it may wait for answers still
	}()
	go func() {
		hungUp(e.Stdout.File)
		ours.Close()
	}()
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.Copy(e.Stdout.File, ours)
	}()
	err = engine.ServeConn(ctx, theirs)
	<-written
	return err
}

// socketPair are the two ends of a connection within this process: it has ways that
// end one by one, as one of a socket.
func socketPair() (a, b *net.UnixConn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		c, cerr := net.FileConn(f)
		f.Close()
		if cerr != nil {
			err = cerr
			continue
		}
		ends[i] = c.(*net.UnixConn)
	}
	return ends[0], ends[1], err
}

// hungUp returns when nobody reads what is written to a pipe or socket any more.
func hungUp(f *os.File) {
	for {
		p := []unix.PollFd{{Fd: int32(f.Fd())}}
		if n, err := unix.Poll(p, -1); err != nil && err != unix.EINTR || n > 0 {
			return
		}
	}
}
