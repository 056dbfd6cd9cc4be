// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/state"
	"coracle/pkg/wire"
	"coracle/pkg/wire/socket"
)

// Guest waits for the next start of a container that does not run. Whoever starts it,
// the supervisor comes to the guest before the first process does anything: who is
// attached misses nothing, and who waits hears of the end however soon that is.
//
//	guest                                   supervisor of the next start
//	  │ containers/ID/waiting/X: a path          │
//	  │ listens there                            │  reads the directory
//	  │ ◄──────────────────────────── connects ──│
//	  │ attach, wait, wait-down ────────────────►│  as any client's
//	  │ ◄──────────────────────────── attached ──│
//	  │                                          │  lets the process run
type Guest struct {
	s      *container.Store
	id     string
	l      *net.UnixListener
	socket string
	note   string         // the file that tells of the socket
	watch  *state.Watcher // of the container's directory
}

// Await makes a guest of a container that does not run. From then on no start is
// missed.
func Await(s *container.Store, c *container.Container) (*Guest, error) {
	g := &Guest{s: s, id: c.ID}
	err := g.open(c)
	if err == nil {
		return g, nil
	}
	g.Close()
	if errors.Is(err, fs.ErrNotExist) {
		if _, lerr := s.Load(c.ID); lerr != nil {
			return nil, lerr // it was removed meanwhile
		}
	}
	return nil, fmt.Errorf("wait for container %.12s: %w", c.ID, err)
}

func (g *Guest) open(c *container.Container) (err error) {
	s := g.s
	if g.watch, err = state.Watch(string(c.Dir())); err != nil {
		return err
	}
	name := state.NewID()[:16]
	if err := os.MkdirAll(s.Dirs().Meetings(), 0o700); err != nil {
		return err
	}
	dir, err := socket.OpenDir(s.Dirs().Meetings())
	if err != nil {
		return err
	}
	defer dir.Close()
	if g.l, err = socket.Listen(dir, name); err != nil {
		return err
	}
	g.socket, g.note = filepath.Join(s.Dirs().Meetings(), name), filepath.Join(c.Dir().Waiting(), name)
	if err := os.Mkdir(c.Dir().Waiting(), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := state.WriteVolatile(g.note, []byte(g.socket), 0o600); err != nil {
		return err
	}
	return nil
}

// Close ends the waiting.
func (g *Guest) Close() {
	if g.l != nil {
		_ = os.Remove(g.socket)
		g.l.Close()
	}
	if g.note != "" {
		_ = os.Remove(g.note)
	}
	if g.watch != nil {
		g.watch.Close()
	}
}

// meet is the conversation with the supervisor of the next start. The error is a
// *container.NotFoundError when the container is removed before.
func (g *Guest) meet(ctx context.Context) (*conn, error) {
	came := make(chan *net.UnixConn, 1)
	go func() {
		defer close(came)
		if c, err := g.l.AcceptUnix(); err == nil {
			came <- c
		}
	}()
	first := make(chan struct{}, 1)
	first <- struct{}{} // what happened before there was a watch
	defer func() {      // the goroutine ends, and what has come too late is let go
		_ = g.l.SetDeadline(time.Unix(1, 0))
		for c := range came {
			c.Close()
		}
	}()
	for moved := (<-chan struct{})(first); ; {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case c, ok := <-came:
			if !ok {
				return nil, errors.New("wait for container: the socket was closed")
			}
			return newConn(ctx, socket.New(c), peer{container: g.id}), nil
		case <-moved:
			moved = g.watch.Changed
			now, err := g.s.Load(g.id)
			if err != nil {
				return nil, err
			}
			if now.State.IsRunning() && !g.expected() {
				return dial(ctx, now) // it was started just before there was a guest
			}
		}
	}
}

// expected reports whether the supervisor of a container that runs comes, or has
// come: it takes the note away when it does, and says later that the container runs.
func (g *Guest) expected() bool {
	_, err := os.Lstat(g.note)
	return err != nil
}

// Attach waits for the next start and connects to the first process. out holds the
// descriptors that a names. The error is a *control.StartError when that did not
// start.
func (g *Guest) Attach(ctx context.Context, c *container.Container, a *control.Attach, out []*os.File) (*Session, error) {
	conn, err := g.meet(ctx)
	if err != nil {
		return nil, err
	}
	ses := &Session{conn: conn, Tty: c.Process.Tty, s: g.s, c: c}
	if err := ses.begin(control.Request{Op: control.OpAttach, Attach: a}, out); err != nil {
		ses.Close()
		return nil, err
	}
	return ses, nil
}

// wait waits for the next start, and for what op says of its end.
func (g *Guest) wait(ctx context.Context, op string) (code int, err error) {
	conn, err := g.meet(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.request(control.Request{Op: op}); err != nil {
		return 0, err
	}
	return conn.ending()
}

// ending is the exit code that a conversation about an end comes to.
func (c *conn) ending() (int, error) {
	var r control.Reply
	files, err := c.end(&r)
	wire.CloseFiles(files)
	switch {
	case err != nil:
		return 0, err
	case r.Event == control.EventError:
		return r.Code, r.Err()
	}
	return r.Code, nil
}
