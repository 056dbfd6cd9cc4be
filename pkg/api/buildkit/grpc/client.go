// SPDX-License-Identifier: Apache-2.0

package grpc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"

	"coracle/pkg/wire/socket"
)

// Conn calls methods at the other end of a connection.
type Conn struct {
	c    *http.ClientConn
	gone chan struct{}
}

// Dial makes a Conn of a connection, which is closed with it.
func Dial(ctx context.Context, conn net.Conn) (*Conn, error) {
	gone := make(chan struct{})
	ended := sync.OnceFunc(func() { close(gone) })
	var once sync.Once
	t := &http.Transport{
		Protocols: new(http.Protocols), DisableCompression: true,
		DialContext: func(context.Context, string, string) (c net.Conn, err error) {
			err = errOnce
			once.Do(func() { c, err = socket.Told(conn, ended), nil })
			return c, err
		},
	}
	t.Protocols.SetUnencryptedHTTP2(true)
	c, err := t.NewClientConn(ctx, "http", "localhost:80")
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Conn{c, gone}, nil
}

// Gone is closed when the other side has left, or Close was called.
func (c *Conn) Gone() <-chan struct{} { return c.gone }

// Close ends the connection, and all calls.
func (c *Conn) Close() error { return c.c.Close() }

// Open begins a call, with metadata. The end of ctx ends it, which the caller sees to
// also after it has ended.
func (c *Conn) Open(ctx context.Context, method string, header http.Header) *Stream {
	from, to := io.Pipe()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost"+method, from)
	if err == nil {
		for k, v := range header {
			r.Header[http.CanonicalHeaderKey(k)] = slices.Clone(v)
		}
		r.Header.Set("Content-Type", "application/grpc")
		r.Header.Set("Te", "trailers")
	}
	type result struct {
		res *http.Response
		err error
	}
	answered := make(chan result, 1)
	go func() {
		var res *http.Response
		if err == nil {
			res, err = c.c.RoundTrip(r) // which returns with the answer's first bytes
		}
		if err != nil {
			from.CloseWithError(err)
		}
		answered <- result{res, err}
	}()
	s := &Stream{out: to, close: to.Close}
	s.open = func() (io.Reader, error) {
		got := <-answered
		answered <- got
		if got.err != nil {
			return nil, ended(ctx, got.err)
		}
		if err := s.begun(got.res); err != nil {
			got.res.Body.Close()
			from.CloseWithError(err)
			return nil, err
		}
		s.ended = func() error {
			err, ok := readTrailer(got.res.Trailer)
			if !ok {
				err = Errorf(Internal, "the client ended a call without a status")
			}
			from.CloseWithError(io.ErrClosedPipe)
			return err
		}
		return got.res.Body, nil
	}
	return s
}

// begun looks at the beginning of an answer, which may be all there is.
func (s *Stream) begun(res *http.Response) error {
	if res.StatusCode != http.StatusOK {
		return Errorf(Unknown, "unexpected HTTP status %s", res.Status)
	}
	if err, ok := readTrailer(res.Header); ok && err != nil {
		return err
	}
	return nil
}

// ended is why a call ended: that the caller has had enough of it says more than what
// became of it then.
func ended(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil {
		return why
	}
	return err
}

// Call sends one message and returns the one that is the answer.
func (c *Conn) Call(ctx context.Context, method string, header http.Header, req []byte) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := c.Open(ctx, method, header)
	if err := errors.Join(s.Send(req), s.CloseSend()); err != nil {
		if _, why := s.Receive(); why != nil && !errors.Is(why, io.EOF) {
			err = why
		}
		return nil, err
	}
	res, err := s.Receive()
	if errors.Is(err, io.EOF) {
		return nil, Errorf(Internal, "the client ended a call without an answer")
	}
	if err != nil {
		return nil, err
	}
	res = bytes.Clone(res)
	if _, err := s.Receive(); !errors.Is(err, io.EOF) {
		return nil, err
	}
	return res, nil
}
