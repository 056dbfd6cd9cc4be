// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"context"
	"errors"
	"os"

	"coracle/pkg/container/control"
	"coracle/pkg/container/transfer"
	"coracle/pkg/wire"
	"coracle/pkg/wire/socket"
)

// transfers are copies of files into and out of the container.
type transfers struct {
	first  *first
	rootfs string // without what is mounted in the container
}

// stat answers what is at a path.
func (t transfers) stat(conn *socket.Conn, o *control.CopyOptions) error {
	if o == nil {
		return reply(conn, errors.New("stat: no path"))
	}
	info, err := func() (*transfer.Info, error) {
		root, err := t.first.root()
		if err != nil {
			return nil, err
		}
		defer root.Close()
		info, err := transfer.Stat(root, string(o.Path), o.Follow)
		return &info, err
	}()
	var missing *transfer.NotFoundError
	if errors.As(err, &missing) {
		return conn.Send(control.Reply{Event: control.EventDone})
	}
	if err != nil {
		return reply(conn, err)
	}
	return conn.Send(control.Reply{Event: control.EventDone, Info: info, Link: []byte(info.LinkTarget)})
}

// copy copies to or from the pipe that came with the request, until who asked is
// gone.
func (t transfers) copy(conn *socket.Conn, req control.Request, with []*os.File) (left []string, err error) {
	if req.Copy == nil || len(with) != 1 {
		return nil, errors.New("copy: want options and one descriptor")
	}
	ctx, end := context.WithCancel(context.Background())
	defer end()
	go func() {
		defer end()
		more, _ := conn.Receive(&control.Request{}) // there is none: this is the end
		wire.CloseFiles(more)
	}()
	var root *os.File
	if req.Copy.Bare {
		root, err = os.Open(t.rootfs)
	} else {
		root, err = t.first.root()
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	path := string(req.Copy.Path)
	if req.Op == control.OpCopyOut {
		return transfer.Out(ctx, receiver{with[0]}, root, transfer.OutOptions{Path: path, As: string(req.Copy.As), Follow: req.Copy.Follow})
	}
	return transfer.In(ctx, with[0], root, path, transfer.InOptions{Owners: req.Copy.Owners})
}

// receiver is a client's file, whose failures are not those of the container's
// files.
type receiver struct{ f *os.File }

func (r receiver) Write(p []byte) (int, error) {
	return len(p), control.WriteOutput(r.f, r.f.Name(), p)
}

// copied copies, and says so.
func (t transfers) copied(conn *socket.Conn, req control.Request, with []*os.File) error {
	done := sayBusy(conn)
	left, err := t.copy(conn, req, with)
	done()
	wire.CloseFiles(with) // the other end waits for that
	var missing *transfer.NotFoundError
	var file *transfer.NotDirectoryError
	var closed *transfer.ReadOnlyError
	var none *transfer.NotArchiveError
	var lost *control.OutputError
	switch {
	case errors.As(err, &missing):
		return conn.Send(control.Reply{Event: control.EventError, Code: 1, Missing: true})
	case errors.As(err, &file):
		return conn.Send(control.Reply{Event: control.EventError, Code: 1, NotDir: true})
	case errors.As(err, &closed):
		return conn.Send(control.Reply{Event: control.EventError, Code: 1, ReadOnly: closed})
	case errors.As(err, &none):
		return conn.Send(control.Reply{Event: control.EventError, Code: 1, NoArchive: true, Error: none.Message})
	case errors.As(err, &lost):
		return conn.Send(lostReply(lost))
	case err != nil:
		return reply(conn, err)
	}
	return conn.Send(control.Reply{Event: control.EventDone, Left: left})
}
