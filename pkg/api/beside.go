// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/ns/await"
	"coracle/pkg/oci/registry"
	"coracle/pkg/state"
)

// besideTime is how long after the last request the process is small again.
const besideTime = 10 * time.Second

// Beside is the stage that serves a container which has Docker's socket mounted, once
// somebody asks (package await). Its arguments are the root and the run directory.
func Beside(version string) int {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "api: not started by coracle")
		return 1
	}
	unix.CloseOnExec(await.Socket)
	unix.CloseOnExec(await.Peer)
	socket := os.NewFile(await.Socket, "socket")
	defer socket.Close()
	l, err := net.FileListener(socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, "api: not started by coracle:", err)
		return 1
	}
	state.SettleHome()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		for {
			p := []unix.PollFd{{Fd: await.Peer, Events: unix.POLLIN}}
			if n, err := unix.Poll(p, -1); err != unix.EINTR || n > 0 {
				return
			}
		}
	}()
	e := &Engine{
		Dirs: state.Dirs{Root: os.Args[1], Run: os.Args[2]}, Version: version, Access: registry.Access{UserAgent: "coracle/" + version}, Log: os.Stderr,
	}
	if err := e.Serve(ctx, l, besideTime); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		return 1
	}
	if ctx.Err() != nil {
		return 0
	}
	return await.Again(os.Args)
}
