// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"
	"os"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/descriptor"
	"coracle/pkg/wire"
)

// ExecSession is a session with a process started by Exec: its output is read
// by the command itself. With a terminal, everything goes through Stdin. The
// session's owner closes the streams, whose reads that ends; the end of the
// session does not.
type ExecSession struct {
	Session
	Stdout, Stderr *os.File
	Pid            int
}

// Exec starts another process in a running container. The error is a
// *control.StartError when the supervisor could say why it does not run.
func Exec(ctx context.Context, c *container.Container, o control.ExecOptions) (*ExecSession, error) {
	conn, err := dial(ctx, c)
	if err != nil {
		return nil, err
	}
	es := &ExecSession{Session: Session{conn: conn, Tty: o.Tty}}
	if err := es.start(o); err != nil {
		conn.Close()
		wire.CloseFiles([]*os.File{es.Stdin, es.Stdout, es.Stderr})
		return nil, unanswered(ctx, c, err)
	}
	return es, nil
}

func (es *ExecSession) start(o control.ExecOptions) error {
	if err := es.conn.request(control.Request{Op: control.OpExec, Exec: &o}); err != nil {
		return fmt.Errorf("talk to supervisor: %w", err)
	}
	for {
		var r control.Reply
		files, err := es.conn.answer(&r)
		if err != nil {
			return fmt.Errorf("exec: %w", err)
		}
		if r.Event == control.EventAttached && es.Stdin == nil && es.Stdout == nil {
			es.take(o, files)
			continue
		}
		wire.CloseFiles(files)
		switch r.Event {
		case control.EventStarted:
			es.Pid = r.Pid
			return nil
		case control.EventError:
			return r.Err()
		default:
			return fmt.Errorf("exec: unexpected answer %q", r.Event)
		}
	}
}

// take sorts the descriptors of an attached reply: the terminal alone, or
// stdout, stderr and, when asked for, stdin.
func (es *ExecSession) take(o control.ExecOptions, files []*os.File) {
	for i, f := range files { // theirs is blocking; ours can be called back
		if own, err := descriptor.Pollable(f); err == nil {
			f.Close()
			files[i] = own
		}
	}
	switch {
	case o.Tty && len(files) == 1:
		es.Stdin = files[0]
	case !o.Tty && (len(files) == 2 || len(files) == 3):
		es.Stdout, es.Stderr = files[0], files[1]
		if len(files) == 3 {
			es.Stdin = files[2]
		}
	default:
		wire.CloseFiles(files)
	}
}
