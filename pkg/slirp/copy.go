// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"errors"
	"io"
	"net"
	"sync"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/waiter"
)

// halfCloser is what both of our kinds of connection can do.
type halfCloser interface {
	io.ReadWriter
	CloseWrite() error
}

const pieceSize = 16 << 10

var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// copyHalf copies until the end of from, and then says so to to. It returns an
// error when one of the two was cut: the other is to be cut then, too. When there
// is much to copy, bulk does it for as long as there is.
func copyHalf(to, from halfCloser, bulk func(*hostConn) error) error {
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	host, ok := to.(*hostConn)
	if !ok {
		host = from.(*hostConn)
	}
	for {
		n, err := from.Read(piece[:])
		if n > 0 {
			if _, err := to.Write(piece[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			_ = to.CloseWrite()
			return nil
		case err != nil:
			return err
		case n == pieceSize:
			if err := bulk(host); err != nil {
				return err
			}
		}
	}
}

// guestConn is a connection of the container.
type guestConn struct {
	*gonet.TCPConn
	ep tcpip.Endpoint
	wq *waiter.Queue
}

const bulkSize = 256 << 10

// giveTo writes to host what has arrived, from where it is: the stack keeps it
// until it has been written.
func (c *guestConn) giveTo(host *hostConn) error {
	var parts net.Buffers
	for {
		got := gather{list: parts[:0]}
		if _, err := c.ep.Read(&got, tcpip.ReadOptions{Peek: true}); err != nil {
			return nil // there is nothing now: reading says why
		}
		list := got.list
		if _, err := list.WriteTo(host.TCPConn); err != nil {
			return err
		}
		clear(got.list)
		parts = got.list
		done := discard{got.size}
		if _, err := c.ep.Read(&done, tcpip.ReadOptions{}); err != nil {
			return errors.New(err.String())
		}
		c.ep.ModerateRecvBuf(got.size)
	}
}

// errEnough ends a reading of the stack.
var errEnough = errors.New("enough")

// gather keeps what is written to it, not a copy of it.
type gather struct {
	list net.Buffers
	size int
}

func (g *gather) Write(p []byte) (int, error) {
	if g.size > 0 && g.size+len(p) > bulkSize {
		return 0, errEnough
	}
	g.list, g.size = append(g.list, p), g.size+len(p)
	return len(p), nil
}

// discard takes so much and no more.
type discard struct{ left int }

func (d *discard) Write(p []byte) (int, error) {
	n := min(len(p), d.left)
	d.left -= n
	if n < len(p) {
		return n, errEnough
	}
	return n, nil
}

// takeFrom lets the stack read what has arrived from host, into where it keeps it.
func (c *guestConn) takeFrom(host *hostConn) error {
	raw, err := host.SyscallConn()
	if err != nil {
		return err
	}
	entry, writable := waiter.NewChannelEntry(waiter.WritableEvents)
	c.wq.EventRegister(&entry)
	defer c.wq.EventUnregister(&entry)
	from := arrived{host: host}
	for {
		if err := raw.Control(func(fd uintptr) { from.left, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }); err != nil {
			return err
		}
		if err != nil || from.left == 0 {
			return err // there is nothing now: reading says why
		}
		switch _, err := c.ep.Write(&from, tcpip.WriteOptions{}); err.(type) {
		case nil:
		case *tcpip.ErrWouldBlock:
			<-writable
		default:
			return errors.New(err.String())
		}
	}
}

// arrived is what can be read from a connection without waiting.
type arrived struct {
	host *hostConn
	left int
}

func (a *arrived) Len() int { return a.left }

func (a *arrived) Read(p []byte) (int, error) {
	n, err := a.host.TCPConn.Read(p[:min(len(p), a.left)])
	a.left -= n
	if err == io.EOF { // the stack would try for ever
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
