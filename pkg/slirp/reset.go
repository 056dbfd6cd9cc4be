// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"cmp"
	"io"
	"net"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"coracle/pkg/descriptor"
)

// hostConn is a connection of the host that knows a reset from an end. The
// kernel tells of a reset once: who writes hears it, and who reads at the same
// time reads an end.
type hostConn struct {
	*net.TCPConn
	shut atomic.Bool // we have said our end
}

func (c *hostConn) CloseWrite() error {
	c.shut.Store(true)
	return c.TCPConn.CloseWrite()
}

// Read tells of a reset even when a writer has been told.
func (c *hostConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if err == io.EOF {
		err = cmp.Or(c.end(), err)
	}
	return n, err
}

// end says what an end is that was read: a true one, a reset, or that we have
// closed the connection in the meantime. Without our own end having been said, a
// connection is closed by a reset alone.
func (c *hostConn) end() error {
	const closed = 7 // TCP_CLOSE
	var state uint8
	err := descriptor.Control(c, func(fd int) error {
		if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			state = info.State
		}
		return nil
	})
	if err == nil && state == closed && !c.shut.Load() {
		return unix.ECONNRESET
	}
	return err
}

// cut resets connections. All of them are to be reset before one is closed:
// whoever carries the other direction closes too when it sees that.
func cut(conns ...*hostConn) {
	for _, c := range conns {
		_ = c.SetLinger(0)
	}
	for _, c := range conns {
		c.Close()
	}
}
