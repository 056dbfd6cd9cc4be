// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"io"
	"net"
	"time"

	"coracle/pkg/api/buildkit/grpc"
	"coracle/pkg/api/buildkit/pb"
)

// session is a session whose connection goes through the one that there is, as
// BuildKit's clients have it that know nothing of Docker's /session.
func (c *calls) session(ctx context.Context, s *grpc.Stream) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	from, to := io.Pipe()
	t := &tunnel{s: s, PipeReader: from, cancel: cancel}
	go func() {
		to.CloseWithError(s.CopyBytes(to))
		cancel()
	}()
	defer from.Close()
	return c.Sessions.Serve(ctx, t, s.Headers())
}

// tunnel is a connection whose bytes are those of messages.
type tunnel struct {
	*io.PipeReader
	s      *grpc.Stream
	cancel func()
}

// Write satisfies net.Conn.
func (t *tunnel) Write(b []byte) (int, error) {
	if err := t.s.Send(pb.Encode(func(m *pb.Message) { m.Data(1, b) })); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close satisfies net.Conn.
func (t *tunnel) Close() error {
	t.cancel()
	return t.PipeReader.Close()
}

// LocalAddr satisfies net.Conn.
func (t *tunnel) LocalAddr() net.Addr { return &net.UnixAddr{Net: "unix"} }

// RemoteAddr satisfies net.Conn.
func (t *tunnel) RemoteAddr() net.Addr { return &net.UnixAddr{Net: "unix"} }

// SetDeadline satisfies net.Conn; there are none.
func (t *tunnel) SetDeadline(time.Time) error { return nil }

// SetReadDeadline satisfies net.Conn.
func (t *tunnel) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline satisfies net.Conn.
func (t *tunnel) SetWriteDeadline(time.Time) error { return nil }
