// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"context"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
)

// ahead reads a stream in a goroutine of its own, which digests it as well, and
// ends with its context, even where the source says nothing.
type ahead struct {
	ctx  context.Context
	stop context.CancelFunc
	full chan chunk
	free chan []byte
	done chan struct{}
	rest []byte // of buf
	buf  []byte
	err  error

	// Of what has been read; whoever has seen the end may look.
	sum  digest.Digester
	size int64
}

type chunk struct {
	buf []byte
	n   int
	err error
}

const (
	chunkSize = 256 << 10
	chunks    = 4
)

func newAhead(ctx context.Context, r io.Reader) *ahead {
	ctx, stop := context.WithCancel(ctx)
	a := &ahead{
		ctx: ctx, stop: stop, full: make(chan chunk, chunks), free: make(chan []byte, chunks), done: make(chan struct{}),
		sum: digest.SHA256.Digester(),
	}
	for range chunks {
		a.free <- make([]byte, chunkSize)
	}
	go a.read(r)
	return a
}

func (a *ahead) read(r io.Reader) {
	defer close(a.done)
	for {
		var c chunk
		select {
		case c.buf = <-a.free:
		case <-a.ctx.Done():
			return
		}
		for c.n < len(c.buf)/2 && c.err == nil && a.ctx.Err() == nil {
			var n int
			n, c.err = r.Read(c.buf[c.n:])
			c.n += n
		}
		a.sum.Hash().Write(c.buf[:c.n])
		a.size += int64(c.n)
		a.full <- c // there are no more chunks than places
		if c.err != nil {
			return
		}
	}
}

func (a *ahead) Read(p []byte) (int, error) {
	if err := a.ctx.Err(); err != nil {
		return 0, err
	}
	for len(a.rest) == 0 {
		if a.err != nil {
			return 0, a.err
		}
		if a.buf != nil {
			a.free <- a.buf
			a.buf = nil
		}
		select {
		case c := <-a.full:
			a.buf, a.rest, a.err = c.buf, c.buf[:c.n], c.err
		case <-a.ctx.Done():
			return 0, a.ctx.Err()
		}
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close ends the reading. A source that says nothing for longer is left to the
// end of the process.
func (a *ahead) Close() {
	a.stop()
	select {
	case <-a.done:
	case <-time.After(time.Second):
	}
}
