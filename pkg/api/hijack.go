// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/net/websocket"
	"golang.org/x/sys/unix"
)

// Content types of streams.
const (
	rawStream         = "application/vnd.docker.raw-stream"
	multiplexedStream = "application/vnd.docker.multiplexed-stream"
)

// conn is a connection that has been taken over from HTTP: bytes go both ways, and
// each way ends by itself.
type conn struct {
	net.Conn
	in    io.Reader       // with what came along with the request
	ws    *websocket.Conn // the messages that the bytes go in, or nil
	close sync.Once
}

// hijack takes the connection over. Those who ask for an upgrade are answered 101,
// others 200, both with the type of the stream.
func (c *call) hijack(multiplexed bool) (*conn, error) {
	kind := rawStream
	if multiplexed && !c.before("1.42") {
		kind = multiplexedStream
	}
	return c.hijackFor("tcp", kind)
}

// hijackFor is hijack for a protocol, with the type of what is streamed, if it has one.
func (c *call) hijackFor(protocol, kind string) (*conn, error) {
	// Some clients send their options a second time, as a body, which is no input.
	if c.r.ContentLength > 0 {
		if _, err := io.Copy(io.Discard, http.MaxBytesReader(c.w, c.r.Body, maxBody)); err != nil {
			return nil, invalid("%w", err)
		}
	}
	raw, buffered, err := http.NewResponseController(c.w).Hijack()
	if err != nil {
		return nil, invalid("hijack connection missing")
	}
	c.begun = true
	head := "HTTP/1.1 200 OK\r\nContent-Type: " + rawStream + "\r\n"
	if _, upgrade := c.r.Header["Upgrade"]; upgrade {
		head = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n"
		if kind != "" {
			head += "Content-Type: " + kind + "\r\n"
		}
	}
	for _, key := range []string{"Api-Version", "Docker-Experimental", "Ostype", "Server"} {
		head += fmt.Sprintf("%s: %s\r\n", key, c.w.Header().Get(key))
	}
	if _, err := raw.Write([]byte(head + "\r\n")); err != nil {
		raw.Close()
		return nil, err
	}
	// Not through the server's reader: to it the end of what the client sends is the
	// end of the request, whose context it cancels.
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	return &conn{Conn: raw, in: io.MultiReader(bytes.NewReader(early), raw)}, nil
}

// Read takes what the client sends.
func (c *conn) Read(p []byte) (int, error) { return c.in.Read(p) }

// Write sends the client something.
func (c *conn) Write(p []byte) (int, error) {
	if c.ws != nil {
		return c.ws.Write(p)
	}
	return c.Conn.Write(p)
}

// CloseWrite ends the way to the client: there is no more to come.
func (c *conn) CloseWrite() error {
	if c.ws != nil { // the word for it has its turn behind what a client may never read
		_ = c.SetWriteDeadline(time.Now().Add(partTime))
		return c.ws.Close()
	}
	if w, ok := inner(c.Conn).(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// Close ends both ways.
func (c *conn) Close() (err error) {
	c.close.Do(func() { err = c.Conn.Close() })
	return err
}

// inner is the connection below those that tell of their end.
func inner(c net.Conn) net.Conn {
	for {
		t, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = t.NetConn()
	}
}

// filer is a connection that has a descriptor.
type filer interface{ File() (*os.File, error) }

// gone ends when the client has left, which is not the end of what it sends: it may
// have nothing more to say and wait for the answer. Over TCP nobody can tell the two
// apart before something is sent. The returned function ends the watch.
func (c *conn) gone(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	watched, err := again(inner(c.Conn))
	if err != nil {
		return ctx, cancel
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer cancel()
		raw, err := watched.SyscallConn()
		if err != nil {
			return
		}
		// The poller wakes at every change of the socket's state, of which the end of
		// both ways is one.
		_ = raw.Read(func(fd uintptr) bool {
			p := []unix.PollFd{{Fd: int32(fd)}}
			n, err := unix.Poll(p, 0)
			return err != nil && err != unix.EINTR || n > 0 && p[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
		})
	}()
	return ctx, func() {
		watched.Close()
		<-over
		cancel()
	}
}

// again is another descriptor of a connection: to wait with that keeps nobody from
// reading or writing.
func again(c net.Conn) (*net.UnixConn, error) {
	f, ok := c.(filer)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	file, err := f.File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	other, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	if u, ok := other.(*net.UnixConn); ok {
		return u, nil
	}
	other.Close()
	return nil, errors.ErrUnsupported
}
