// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/wire"
)

// exitLost is the exit code that is known of a process whose supervisor died: it
// died with it.
const exitLost = 137

// Session is a connection to a supervisor, for as long as the context that it was
// opened with.
type Session struct {
	conn *conn
	// Stdin is the writing end of the process's standard input, or its
	// terminal when Tty; nil when neither was asked for. The session's owner
	// closes it.
	Stdin *os.File
	Tty   bool
	lost  *control.OutputError // came before the word that the process runs

	s *container.Store // with c, of the first process: its end is recorded
	c *container.Container
}

// Attach connects to the first process of a running container. out holds the
// descriptors that a names.
func Attach(ctx context.Context, s *container.Store, c *container.Container, a *control.Attach, out []*os.File) (*Session, error) {
	conn, err := dial(ctx, c)
	if err != nil {
		return nil, err
	}
	ses := &Session{conn: conn, Tty: c.Process.Tty, s: s, c: c}
	if err := ses.begin(control.Request{Op: control.OpAttach, Attach: a}, out); err != nil {
		ses.Close()
		return nil, unanswered(ctx, c, err)
	}
	return ses, nil
}

// begin sends a request that attaches, and reads replies up to the one that
// says the process runs. The supervisor's own word against it is a
// *control.StartError.
func (ses *Session) begin(req control.Request, out []*os.File) (err error) {
	defer func() {
		if err != nil {
			wire.CloseFiles([]*os.File{ses.Stdin})
		}
	}()
	// One that has died has said why before.
	sent := ses.conn.request(req, out...)
	for {
		var r control.Reply
		files, err := ses.conn.answer(&r)
		switch {
		case err != nil && sent != nil:
			return fmt.Errorf("talk to supervisor: %w", sent)
		case err != nil:
			return fmt.Errorf("start container: %w", err)
		}
		switch r.Event {
		case control.EventAttached:
			if len(files) > 0 && ses.Stdin == nil {
				ses.Stdin, files = files[0], files[1:]
			}
		case control.EventLost: // the process was faster than the word that it runs
			ses.lost = r.Lost()
		case control.EventStarted:
			wire.CloseFiles(files)
			return nil
		case control.EventError:
			err = r.Err()
		default:
			err = fmt.Errorf("start container: unexpected answer %q", r.Event)
		}
		wire.CloseFiles(files)
		if err != nil {
			return err
		}
	}
}

// Exit waits for the end of the process the session is attached to and
// returns its exit code. All its output has been written by then.
func (ses *Session) Exit() (int, error) {
	if ses.lost != nil {
		return 125, ses.lost
	}
	for {
		var r control.Reply
		files, err := ses.conn.end(&r)
		wire.CloseFiles(files)
		if err != nil {
			return ses.recorded(err)
		}
		switch r.Event {
		case control.EventExit:
			return r.Code, nil
		case control.EventLost:
			return 125, r.Lost()
		case control.EventError:
			return 125, r.Err()
		}
	}
}

// recorded is the end of a process whose supervisor has gone without a word: what the
// record says, as for who waits, unless that is the same.
func (ses *Session) recorded(err error) (int, error) {
	var lost *lostError
	if ses.s == nil || !errors.As(err, &lost) {
		return exitLost, err
	}
	code, known, _ := recorded(ses.conn.ctx, ses.s, ses.c)
	if known {
		err = nil
	}
	return code, err
}

// Signal sends a signal to the process the session is attached to.
func (ses *Session) Signal(sig syscall.Signal) error {
	return ses.conn.request(control.Request{Op: control.OpSignal, Signal: int(sig)})
}

// Detach leaves the process, which goes on: Exit returns soon.
func (ses *Session) Detach() error {
	time.AfterFunc(ses.conn.patience(), func() { ses.conn.Close() })
	return ses.conn.request(control.Request{Op: control.OpDetach})
}

// Close ends the session; the process goes on.
func (ses *Session) Close() error { return ses.conn.Close() }
