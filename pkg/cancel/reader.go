// SPDX-License-Identifier: Apache-2.0

package cancel

import (
	"context"
	"io"
)

// Reader reads from r until ctx ends, and then fails with its error. A read that
// is waiting goes on: it is for files and what is computed.
func Reader(ctx context.Context, r io.Reader) io.Reader { return &reader{ctx, r} }

type reader struct {
	ctx context.Context
	r   io.Reader
}

func (c *reader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// Writer is the same for writing.
func Writer(ctx context.Context, w io.Writer) io.Writer { return &writer{ctx, w} }

type writer struct {
	ctx context.Context
	w   io.Writer
}

func (c *writer) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// WaitingReader is Reader of what may never come, a pipe of the caller's for one:
// a read that is waiting ends with ctx too. What r gives to it later is lost, and
// its goroutine stays until then.
func WaitingReader(ctx context.Context, r io.Reader) io.Reader { return &waitingReader{ctx, r} }

type waitingReader reader

func (c *waitingReader) Read(p []byte) (int, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	buf := make([]byte, len(p)) // p is the caller's again when we are canceled
	go func() {
		n, err := c.r.Read(buf)
		done <- result{buf[:n], err}
	}()
	select {
	case <-c.ctx.Done():
		return 0, c.ctx.Err()
	case got := <-done:
		return copy(p, got.data), got.err
	}
}
