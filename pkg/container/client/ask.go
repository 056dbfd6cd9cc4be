// SPDX-License-Identifier: Apache-2.0

package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/ns"
	"coracle/pkg/wire"
)

// lostError says that the supervisor died in the middle of a conversation.
type lostError struct{}

func (*lostError) Error() string { return "supervisor lost" }
func (*lostError) Hint() string  { return ns.SmallLimits() }

// ended is err, or that it is the end of a supervisor.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return &lostError{}
	}
	return err
}

// unanswered is the error of a request that was to reach the supervisor of a
// running container. One that was killed, or has just ended, is connected to until
// the kernel, or it, has closed its socket: the request came too late.
func unanswered(ctx context.Context, c *container.Container, err error) error {
	var lost *lostError
	if errors.As(err, &lost) && c.State.Supervisor.Dies(ctx) {
		return &container.NotRunningError{ID: c.ID}
	}
	return err
}

// call sends one request and returns the final reply.
func call(ctx context.Context, c *container.Container, req control.Request, with ...*os.File) (control.Reply, error) {
	r, files, err := ask(ctx, c, req, with...)
	wire.CloseFiles(files)
	return r, err
}

// ask is call of a request that descriptors may come with, and the answer to it.
func ask(ctx context.Context, c *container.Container, req control.Request, with ...*os.File) (control.Reply, []*os.File, error) {
	conn, err := dial(ctx, c)
	if err != nil {
		return control.Reply{}, nil, err
	}
	defer conn.Close()
	sent := conn.request(req, with...)
	var r control.Reply
	var files []*os.File
	switch req.Op {
	case control.OpWait, control.OpWaitDown, control.OpStop: // these end when the container does
		files, err = conn.end(&r)
	default:
		files, err = conn.answer(&r) // one that has died may have answered before
	}
	if err = cmp.Or(err, sent); err != nil {
		wire.CloseFiles(files)
		return control.Reply{}, nil, unanswered(ctx, c, fmt.Errorf("talk to supervisor: %w", err))
	}
	if r.Event == control.EventError {
		wire.CloseFiles(files)
		return r, nil, r.Err()
	}
	return r, files, nil
}
