// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"coracle/pkg/oci/registry"
	"coracle/pkg/state"
)

// Descriptors that the process beside a container is born with.
const (
	besideSocket = 3 // listens
	besideLife   = 4 // a pidfd of the container's supervisor
)

// Beside is the stage that serves a container which has Docker's socket mounted, for
// as long as its supervisor lives. Its arguments are the root and the run directory.
func Beside(version string) int {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "api: not started by coracle")
		return 1
	}
	state.SettleHome()
	l, err := net.FileListener(os.NewFile(besideSocket, "socket"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "api: not started by coracle:", err)
		return 1
	}
	unix.CloseOnExec(besideLife)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		for {
			p := []unix.PollFd{{Fd: besideLife, Events: unix.POLLIN}}
			if n, err := unix.Poll(p, -1); err != unix.EINTR || n > 0 {
				return
			}
		}
	}()
	e := &Engine{
		Dirs: state.Dirs{Root: os.Args[1], Run: os.Args[2]}, Version: version, Access: registry.Access{UserAgent: "coracle/" + version}, Log: os.Stderr,
	}
	if err := e.Serve(ctx, l, 0); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		return 1
	}
	return 0
}
