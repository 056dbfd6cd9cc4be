// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/wire"
)

// Conn is a conversation over a stream socket. Sending is safe for concurrent
// use; receiving is not.
type Conn struct {
	s    wire.Socket
	send sync.Mutex
}

// New makes a Conn of a socket, which is closed with it.
func New(s wire.Socket) *Conn { return &Conn{s: s} }

// FromFile makes a Conn of an inherited socket, and closes f. The socket is put
// into non-blocking mode: deadlines hold, and waiting takes no thread.
func FromFile(f *os.File) (*Conn, error) {
	c, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return nil, fmt.Errorf("use socket: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, errors.New("use socket: not a unix socket")
	}
	return New(u), nil
}

// Pair makes two connected sockets, close-on-exec: one for this process, and
// one to be inherited by another (FromFile).
func Pair() (ours *Conn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "socket")
	if ours, err = FromFile(os.NewFile(uintptr(fds[0]), "socket")); err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// Close ends the conversation, and every Send and Receive that waits.
func (c *Conn) Close() error { return c.s.Close() }

// Send is [wire.Send]. Concurrent messages do not mix.
func (c *Conn) Send(v any, files ...*os.File) error {
	c.send.Lock()
	defer c.send.Unlock()
	return wire.Send(c.s, v, files...)
}

// SendWithin is Send that ends with os.ErrDeadlineExceeded when the other side
// does not take the message for so long.
func (c *Conn) SendWithin(d time.Duration, v any, files ...*os.File) error {
	c.send.Lock()
	defer c.send.Unlock()
	if err := c.s.SetWriteDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	return errors.Join(wire.Send(c.s, v, files...), c.s.SetWriteDeadline(time.Time{}))
}

// Receive is [wire.Receive]. It waits as long as it takes.
func (c *Conn) Receive(v any) ([]*os.File, error) { return wire.Receive(c.s, v) }

// ReceiveWithin is Receive that ends with os.ErrDeadlineExceeded when the whole
// message is not there after so long.
func (c *Conn) ReceiveWithin(d time.Duration, v any) ([]*os.File, error) {
	if err := c.s.SetReadDeadline(time.Now().Add(d)); err != nil {
		return nil, err
	}
	files, err := wire.Receive(c.s, v)
	if err := errors.Join(err, c.s.SetReadDeadline(time.Time{})); err != nil {
		wire.CloseFiles(files)
		return nil, err
	}
	return files, nil
}

// Await ends when there is something to receive, or the other side is gone, which
// Receive will say; and with os.ErrDeadlineExceeded after so long without either.
// It takes nothing from the socket.
func (c *Conn) Await(d time.Duration) error {
	rc, err := c.s.SyscallConn()
	if err != nil {
		return err
	}
	if err := c.s.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	err = rc.Read(func(fd uintptr) bool {
		_, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return err != unix.EAGAIN && err != unix.EINTR
	})
	return errors.Join(err, c.s.SetReadDeadline(time.Time{}))
}
