// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// remote is the end of a copy that another process has: it calls begin when the
// other one may begin, or not at all.
type remote func(ctx context.Context, end *os.File, begin func()) (left []string, err error)

// local is the end of a copy that is here.
type local func(ctx context.Context, end *os.File) (left []string, err error)

// outward runs a copy to here, in a pipe.
func outward(ctx context.Context, write remote, read local) (left []string, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	there, here := both(ctx, w, r, write, read)
	return append(there.left, here.left...), cause(there.err, here.err)
}

// inward runs a copy from here, in a pipe.
func inward(ctx context.Context, read remote, write local) (left []string, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	there, here := both(ctx, r, w, read, write)
	return append(here.left, there.left...), cause(here.err, there.err)
}

// cause is the error of a copy: the writer's, of which a reader sees no more than
// that the stream ends, unless it is only that nobody read.
func cause(writer, reader error) error {
	unread := errors.Is(writer, syscall.EPIPE) || errors.Is(writer, os.ErrDeadlineExceeded) || errors.Is(writer, context.Canceled)
	if writer == nil || unread && reader != nil {
		return reader
	}
	return writer
}

// end is how one end of a copy ended.
type end struct {
	left []string
	err  error
}

// both runs the two ends of a copy until they have ended, and closes their files.
// One that fails ends the other.
func both(ctx context.Context, theirs, ours *os.File, r remote, l local) (there, here end) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begun, done := make(chan struct{}), make(chan end, 1)
	go func() {
		var e end
		e.left, e.err = r(ctx, theirs, func() { close(begun) })
		if e.err != nil {
			_ = ours.SetDeadline(time.Unix(1, 0)) // a process that is stopped has the other end, too
		}
		theirs.Close()
		done <- e
	}()
	select {
	case <-begun:
	case there = <-done: // a short one may have been faster
		done <- there
	}
	select {
	case <-begun:
		here.left, here.err = l(ctx, ours)
	default:
	}
	ours.Close()
	if here.err != nil {
		cancel()
	}
	return <-done, here
}
