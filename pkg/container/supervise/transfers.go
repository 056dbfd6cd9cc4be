// SPDX-License-Identifier: Apache-2.0

package supervise

import (
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
		info, err := transfer.Stat(root, o.Path, o.Follow)
		return &info, err
	}()
	var missing *transfer.NotFoundError
	if errors.As(err, &missing) {
		return conn.Send(control.Reply{Event: control.EventDone})
	}
	if err != nil {
		return reply(conn, err)
	}
	return conn.Send(control.Reply{Event: control.EventDone, Info: info})
}

// copy copies to or from the pipe that came with the request.
func (t transfers) copy(req control.Request, with []*os.File) (left []string, err error) {
	if req.Copy == nil || len(with) != 1 {
		return nil, errors.New("copy: want options and one descriptor")
	}
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
	if req.Op == control.OpCopyOut {
		return transfer.Out(receiver{with[0]}, root, req.Copy.OutOptions())
	}
	return transfer.In(with[0], root, req.Copy.Path, transfer.InOptions{Owners: req.Copy.Owners})
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
	left, err := t.copy(req, with)
	done()
	wire.CloseFiles(with) // the other end waits for that
	var missing *transfer.NotFoundError
	var lost *control.OutputError
	switch {
	case errors.As(err, &missing):
		return conn.Send(control.Reply{Event: control.EventError, Code: 1, Missing: missing.Path})
	case errors.As(err, &lost):
		return conn.Send(lostReply(lost))
	case err != nil:
		return reply(conn, err)
	}
	return conn.Send(control.Reply{Event: control.EventDone, Left: left})
}
