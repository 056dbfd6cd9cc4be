// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"os"

	"coracle/pkg/container"
	"coracle/pkg/container/transfer"
)

// transfers are copies of files into and out of the container.
type transfers struct {
	first  *first
	rootfs string // without what is mounted in the container
}

// stat answers what is at a path.
func (t transfers) stat(conn *container.Conn, o *container.CopyOptions) error {
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
		return conn.Send(container.Reply{Event: container.EventDone})
	}
	if err != nil {
		return reply(conn, err)
	}
	return conn.Send(container.Reply{Event: container.EventDone, Info: info})
}

// copy copies to or from the pipe that came with the request.
func (t transfers) copy(req container.Request, with []*os.File) (left []string, err error) {
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
	if req.Op == container.OpCopyOut {
		return transfer.Out(receiver{with[0]}, root, req.Copy.OutOptions())
	}
	return transfer.In(with[0], root, req.Copy.Path, transfer.InOptions{Owners: req.Copy.Owners})
}

// receiver is a client's file, whose failures are not those of the container's
// files.
type receiver struct{ f *os.File }

func (r receiver) Write(p []byte) (int, error) {
	return len(p), container.WriteOutput(r.f, r.f.Name(), p)
}

// copied copies, and says so.
func (t transfers) copied(conn *container.Conn, req container.Request, with []*os.File) error {
	done := sayBusy(conn)
	left, err := t.copy(req, with)
	done()
	container.CloseFiles(with) // the other end waits for that
	var missing *transfer.NotFoundError
	var lost *container.OutputError
	switch {
	case errors.As(err, &missing):
		return conn.Send(container.Reply{Event: container.EventError, Code: 1, Missing: missing.Path})
	case errors.As(err, &lost):
		return conn.Send(lostReply(lost))
	case err != nil:
		return reply(conn, err)
	}
	return conn.Send(container.Reply{Event: container.EventDone, Left: left})
}
