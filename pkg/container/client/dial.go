// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/state"
	"coracle/pkg/wire"
	"coracle/pkg/wire/socket"
)

// conn is a conversation with a supervisor. It ends with its context.
type conn struct {
	*socket.Conn
	with    peer
	ctx     context.Context
	release func() bool // from the context
}

// peer is the supervisor that is talked to.
type peer struct {
	container string // its ID
	pid       int
}

func (p peer) stopped() bool { return p.pid > 0 && state.Stopped(p.pid) }

// newConn makes a conversation of a socket.
func newConn(ctx context.Context, c *socket.Conn, with peer) *conn {
	return &conn{Conn: c, with: with, ctx: ctx, release: context.AfterFunc(ctx, func() { c.Close() })}
}

// Close ends the conversation, and every wait in it.
func (c *conn) Close() error {
	c.release()
	return c.Conn.Close()
}

// dial connects to the supervisor of a running container.
func dial(ctx context.Context, c *container.Container) (*conn, error) {
	state.MustHoldNone("ask a supervisor")
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !c.State.IsRunning() {
		return nil, &container.NotRunningError{ID: c.ID}
	}
	who := peer{c.ID, c.State.Supervisor.Pid}
	w, err := control.Dial(c.State.RunDir)
	if errors.Is(err, syscall.EAGAIN) { // as many wait to be accepted as the socket takes
		return nil, &silentError{peer: who, stopped: who.stopped()}
	}
	if (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)) && c.State.Supervisor.Dies(ctx) {
		return nil, &container.NotRunningError{ID: c.ID}
	}
	if err != nil {
		return nil, fmt.Errorf("connect to supervisor of container %.12s: %w", c.ID, err)
	}
	return newConn(ctx, w, who), nil
}

// How long a supervisor may be silent before it is given up: one that works, and
// one that a SIGSTOP keeps from it, which may be let go on soon.
const (
	answerTime  = 30 * time.Second
	stoppedTime = 2 * time.Second
)

// silentError is a supervisor that does not answer.
type silentError struct {
	peer
	after   time.Duration
	stopped bool
}

func (e *silentError) Error() string {
	who := fmt.Sprintf("supervisor of container %.12s (pid %d)", e.container, e.pid)
	if e.stopped {
		return who + " is stopped"
	}
	return fmt.Sprintf("%s has not answered for %v", who, e.after)
}

// Hint is the way out.
func (e *silentError) Hint() string {
	if e.stopped {
		return fmt.Sprintf("kill -CONT %d lets it go on; rm -f ends the container without it", e.pid)
	}
	return "kill, or rm -f, ends the container without it"
}

// patience is how long the supervisor may be silent now.
func (c *conn) patience() time.Duration {
	if c.with.stopped() {
		return stoppedTime
	}
	return answerTime
}

// meaning is what an error of the conversation means: the context has ended, the
// supervisor was silent for so long, or it has died.
func (c *conn) meaning(err error, after time.Duration) error {
	switch {
	case err == nil:
		return nil
	case c.ctx.Err() != nil:
		return c.ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.EAGAIN):
		return &silentError{peer: c.with, after: after, stopped: c.with.stopped()}
	}
	return ended(err)
}

// request sends what the supervisor has to take soon.
func (c *conn) request(r control.Request, files ...*os.File) error {
	d := c.patience()
	return c.meaning(c.SendWithin(d, r, files...), d)
}

// answer is a reply that has to come soon. It passes over those that only say that
// the supervisor is at work.
func (c *conn) answer(r *control.Reply) ([]*os.File, error) {
	for {
		*r = control.Reply{}
		if err := c.await(); err != nil {
			return nil, err
		}
		files, err := c.ReceiveWithin(answerTime, r) // what has begun to come comes
		if err != nil || r.Event != control.EventBusy {
			return files, c.meaning(err, answerTime)
		}
		wire.CloseFiles(files)
	}
}

// await ends when the supervisor says something. It looks again and again whether
// it is stopped: that may have been asked for, and be still to come.
func (c *conn) await() error {
	for silent := time.Duration(0); ; silent += stoppedTime {
		stopped := c.with.stopped()
		err := c.Await(stoppedTime)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return c.meaning(err, silent)
		}
		if stopped && c.with.stopped() || silent+stoppedTime >= answerTime {
			return c.meaning(err, silent+stoppedTime)
		}
	}
}

// end is a reply that comes when a process ends, whenever that is.
func (c *conn) end(r *control.Reply) ([]*os.File, error) {
	*r = control.Reply{}
	files, err := c.Receive(r)
	return files, c.meaning(err, 0)
}
