// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"coracle/pkg/state"
	"coracle/pkg/wire/socket"
)

// Dial connects to the control socket in dir. The error is a *os.PathError with
// the errno.
func Dial(dir string) (*socket.Conn, error) {
	c, err := socket.Dial(filepath.Join(dir, state.ControlSocket))
	if err != nil {
		return nil, err
	}
	return socket.New(c), nil
}

// Listen makes the control socket in dir, mode 0600 in a directory of mode
// 0700, replacing what a dead supervisor left.
func Listen(dir string) (*net.UnixListener, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create control socket: %w", err)
	}
	d, err := socket.OpenDir(dir)
	if err != nil {
		return nil, fmt.Errorf("create control socket: %w", err)
	}
	defer d.Close()
	l, err := socket.Listen(d, state.ControlSocket)
	if err != nil {
		return nil, fmt.Errorf("create control socket: %w", err)
	}
	return l, nil
}
