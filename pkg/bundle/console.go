// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"fmt"
	"net"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/wire/socket"
)

// dialConsole connects to the socket that wants a terminal. It is done before
// anything is started, for a wrong path is a frequent mistake.
func dialConsole(path string) (*net.UnixConn, error) {
	c, err := socket.Dial(path)
	if err != nil {
		return nil, fmt.Errorf("connect to console socket: %w", err)
	}
	return c, nil
}

// sendConsole gives the terminal away, and its master with it.
func sendConsole(to *net.UnixConn, master *os.File, size *specs.Box) error {
	resize(master, size)
	if _, _, err := to.WriteMsgUnix([]byte("/dev/ptmx"), unix.UnixRights(int(master.Fd())), nil); err != nil {
		return fmt.Errorf("send terminal: %w", err)
	}
	return nil
}

func resize(master *os.File, size *specs.Box) {
	if size != nil && size.Height > 0 && size.Width > 0 {
		_ = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(size.Height), Col: uint16(size.Width)})
	}
}
