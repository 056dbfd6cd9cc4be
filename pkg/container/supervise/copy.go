// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"fmt"
	"os"

	"coracle/pkg/container"
	"coracle/pkg/container/transfer"
)

// root opens the root directory that the container's first process sees, with
// all that is mounted there.
func (s *supervisor) root() (*os.File, error) {
	init, err := s.running()
	if err != nil {
		return nil, err
	}
	root, err := os.Open(fmt.Sprintf("/proc/%d/root", init.HostPid))
	return root, s.unlessEnded(init, err)
}

func (s *supervisor) statPath(conn *container.Conn, o *container.CopyOptions) error {
	info, err := func() (*transfer.Info, error) {
		root, err := s.root()
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

// copyFiles copies to or from the pipe that came with the request.
func (s *supervisor) copyFiles(req container.Request, files []*os.File) (left []string, err error) {
	if req.Copy == nil || len(files) != 1 {
		return nil, errors.New("copy: want options and one descriptor")
	}
	var root *os.File
	if req.Copy.Bare {
		root, err = os.Open(s.box.Rootfs())
	} else {
		root, err = s.root()
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if req.Op == container.OpCopyOut {
		return transfer.Out(receiver{files[0]}, root, req.Copy.OutOptions())
	}
	return transfer.In(files[0], root, req.Copy.Path, transfer.InOptions{Owners: req.Copy.Owners})
}

// receiver is a client's file, whose failures are not those of the container's
// files.
type receiver struct{ f *os.File }

func (r receiver) Write(p []byte) (int, error) {
	return len(p), container.WriteOutput(r.f, r.f.Name(), p)
}

// copied answers a request to copy.
func copied(conn *container.Conn, left []string, err error) error {
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
