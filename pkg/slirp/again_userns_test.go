// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
	"coracle/pkg/slirp/netns"
)

// TestPortIsUsedAgain connects from one port over and over, each time after the
// server has ended the connection before: nothing is left of it.
func TestPortIsUsedAgain(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	addr := listenHost(t, func(c net.Conn) { c.Close() })
	dial := func() (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{Port: 40000}, Timeout: 5 * time.Second, Control: func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
		}}
		return d.Dial("tcp", addr)
	}
	for i := range 20 {
		var c net.Conn
		var err error
		testutil.Eventually(t, "the last word of the connection before", func() bool {
			c, err = netns.In(b.ns, dial)
			return !errors.Is(err, unix.EADDRNOTAVAIL)
		})
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("connection %d: %v", i, err)
		}
		c.Close()
	}
}
