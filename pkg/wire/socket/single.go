// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"io"
	"net"
	"sync"
)

// Single is a listener to which one client connects, by conn. It ends with that.
func Single(conn net.Conn) net.Listener {
	s := &single{closed: make(chan struct{})}
	s.conn = Told(conn, s.end)
	return s
}

type single struct {
	conn   net.Conn
	once   sync.Once
	closed chan struct{}
}

func (s *single) Accept() (conn net.Conn, err error) {
	if conn, s.conn = s.conn, nil; conn != nil {
		return conn, nil
	}
	<-s.closed
	return nil, io.EOF
}

func (s *single) end()           { s.once.Do(func() { close(s.closed) }) }
func (s *single) Close() error   { s.end(); return nil }
func (s *single) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }

// Told is conn, which calls closed each time that it is closed. Its NetConn method
// gives conn.
func Told(conn net.Conn, closed func()) net.Conn { return &told{conn, closed} }

type told struct {
	net.Conn
	closed func()
}

func (t *told) NetConn() net.Conn { return t.Conn }

func (t *told) Close() error {
	defer t.closed()
	return t.Conn.Close()
}
