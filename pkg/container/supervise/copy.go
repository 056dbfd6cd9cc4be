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
	s.mu.Lock()
	init := s.init
	s.mu.Unlock()
	if init == nil {
		return nil, container.ErrNotRunning
	}
	return os.Open(fmt.Sprintf("/proc/%d/root", init.HostPid))
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
		return transfer.Out(files[0], root, req.Copy.OutOptions())
	}
	return transfer.In(files[0], root, req.Copy.Path, transfer.InOptions{Owners: req.Copy.Owners})
}

// copied answers a request to copy.
func copied(conn *container.Conn, left []string, err error) error {
	var missing *transfer.NotFoundError
	switch {
	case errors.As(err, &missing):
		return conn.Send(container.Reply{Event: container.EventError, Code: 1, Missing: missing.Path})
	case err != nil:
		return reply(conn, err)
	}
	return conn.Send(container.Reply{Event: container.EventDone, Left: left})
}
