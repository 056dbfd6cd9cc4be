// SPDX-License-Identifier: Apache-2.0

package client

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/events"
)

// Condition is what is waited for, in Docker's words.
type Condition string

// The conditions.
const (
	NotRunning Condition = "not-running" // now, or at the end of the process that runs
	NextExit   Condition = "next-exit"   // the end of the process that runs, or of the next one
	Removed    Condition = "removed"
)

// Waiting waits for a container: what happens after it was made is not missed, be
// there a process by then or not.
type Waiting struct {
	s     *container.Store
	c     *container.Container
	until Condition
	conn  *conn  // with the supervisor of one that runs
	guest *Guest // of one that does not
	code  int    // as far as it is known
}

// Register begins to wait. The end of the context ends it.
func Register(ctx context.Context, s *container.Store, c *container.Container, until Condition) (*Waiting, error) {
	w := &Waiting{s: s, c: c, until: until}
	return w, w.register(ctx)
}

func (w *Waiting) register(ctx context.Context) error {
	w.code = w.c.State.ExitCode
	if w.c.State.IsRunning() {
		conn, err := dial(ctx, w.c)
		if err == nil {
			if err = conn.request(control.Request{Op: w.op()}); err == nil {
				w.conn = conn
				return nil
			}
			conn.Close()
			err = unanswered(ctx, w.c, err) // once its end is recorded
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		now, lerr := w.s.Load(w.c.ID) // it has just ended
		var gone *container.NotFoundError
		if errors.As(lerr, &gone) { // with --rm, it took its record along
			if code, known := journaled(ctx, w.s, w.c); known {
				w.code = code
				return nil
			}
		}
		if lerr != nil || now.State.IsRunning() {
			return cmp.Or(lerr, err)
		}
		w.c, w.code = now, now.State.ExitCode
	}
	if w.until == NotRunning {
		return nil
	}
	var err error
	w.guest, err = Await(w.s, w.c)
	return err
}

func (w *Waiting) op() string {
	if w.until == Removed {
		return control.OpWaitDown
	}
	return control.OpWait
}

// Close ends the waiting.
func (w *Waiting) Close() {
	if w.conn != nil {
		w.conn.Close()
	}
	if w.guest != nil {
		w.guest.Close()
	}
	w.conn, w.guest = nil, nil
}

// Wait returns the exit code once what is waited for has come. One that is removed
// before has the code of its last process.
func (w *Waiting) Wait(ctx context.Context) (int, error) {
	for {
		ended, err := w.step(ctx)
		w.Close()
		var gone *container.NotFoundError
		switch {
		case errors.As(err, &gone):
			return w.code, nil
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case err != nil:
			return 0, err
		case ended && w.until != Removed:
			return w.code, nil
		}
		code := w.code
		if w.c, err = w.s.Load(w.c.ID); err == nil {
			err = w.register(ctx)
		}
		switch {
		case errors.As(err, &gone):
			return code, nil
		case err != nil:
			return 0, err
		}
	}
}

// step waits for one end, and reports whether there was one: a start that failed is
// none.
func (w *Waiting) step(ctx context.Context) (ended bool, err error) {
	var code int
	switch {
	case w.conn != nil:
		code, err = w.conn.ending()
	case w.guest != nil:
		code, err = w.guest.wait(ctx, w.op())
	default: // it does not run, which is what was waited for
		return true, nil
	}
	var failed *control.StartError
	var lost *lostError
	switch {
	case err == nil:
		w.code = code
		return true, nil
	case errors.As(err, &failed):
		w.code = failed.Code
		return false, nil
	case errors.As(err, &lost):
		w.code, _, err = recorded(ctx, w.s, w.c)
		return w.until != Removed, err
	}
	return false, err
}

// recorded is the exit code of a process whose supervisor has gone without an answer,
// and whether that is known: one that was killed has recorded nothing. One that has
// just ended is connected to until its socket is closed, which is before the end is
// recorded.
func recorded(ctx context.Context, s *container.Store, c *container.Container) (code int, known bool, err error) {
	now, err := s.Load(c.ID)
	if err == nil && now.State.IsRunning() && now.State.Supervisor.Dies(ctx) {
		now, err = s.Load(c.ID)
	}
	var gone *container.NotFoundError
	switch {
	case errors.As(err, &gone): // with --rm, it took its record along
		code, known = journaled(ctx, s, c)
		return code, known, err
	case err != nil || now.State.IsRunning():
		return exitLost, false, err
	}
	return now.State.ExitCode, !now.State.Lost(), nil
}

// journaled is the last exit code of a container in the journal of events, and whether
// there is one.
func journaled(ctx context.Context, s *container.Store, c *container.Container) (code int, known bool) {
	code = exitLost
	_ = events.Read(ctx, s.Dirs().Root, events.Options{Since: c.Created, Past: true}, func(e events.Event) error {
		if e.Action == "die" && e.Actor.ID == c.ID {
			if n, err := strconv.Atoi(e.Actor.Attributes["exitCode"]); err == nil {
				code, known = n, true
			}
		}
		return nil
	})
	return code, known
}

// lateness is how late a client may be that starts a container with --rm and waits
// for it then.
const lateness = time.Minute

// Parted is the exit code of a container with --rm, by its name or ID, that has ended
// within the last minute and is gone, and whether there was one: clients that wait
// after they have started it miss those that end at once.
func Parted(ctx context.Context, s *container.Store, arg string) (code int, known bool) {
	last := "" // exit code
	_ = events.Read(ctx, s.Dirs().Root, events.Options{Since: time.Now().Add(-lateness), Past: true}, func(e events.Event) error {
		of := e.Actor.Attributes
		if e.Type != events.Container || of["name"] != arg && (len(arg) < shortID || !strings.HasPrefix(e.Actor.ID, arg)) {
			return nil
		}
		switch e.Action {
		case "die":
			last = of["exitCode"]
		case "destroy":
			n, err := strconv.Atoi(of["exitCode"])
			code, known = n, err == nil && of["exitCode"] == last
		}
		return nil
	})
	return code, known
}

// shortID is the length of an ID as it is printed, in characters.
const shortID = 12
