// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"coracle/pkg/container"
	"coracle/pkg/ids"
	"coracle/pkg/slirp/publish"
	"coracle/pkg/wire"
)

// A service manager hands sockets over as descriptors 3 and up, and says so in
// the environment (sd_listen_fds(3)).
const (
	firstHanded = 3
	maxHanded   = 64
)

// handedOver takes the sockets that were handed to this process, and the words
// about them: they are for nobody else.
func handedOver() []*os.File {
	pid, pidErr := strconv.Atoi(os.Getenv("LISTEN_PID"))
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if pidErr != nil || err != nil || pid != os.Getpid() || n < 0 {
		return nil
	}
	var files []*os.File
	for fd := firstHanded; fd < firstHanded+min(n, maxHanded); fd++ {
		// Only sockets: a wrong number must not take a descriptor of our own.
		if !servable(fd) {
			continue
		}
		unix.CloseOnExec(fd)
		files = append(files, os.NewFile(uintptr(fd), "listening socket"))
	}
	return files
}

// listening are the sockets that the supervisor of a container cannot make: those
// that were handed over, and those of ports that only the caller may bind.
func listening(c *container.Container) ([]*os.File, error) {
	files := handedOver()
	if len(files) > 0 || len(c.Net.Publish) == 0 || !ids.Capable(unix.CAP_NET_BIND_SERVICE) {
		return files, nil
	}
	more, err := publish.BindReserved(c.Net.Publish)
	if err == nil && len(files)+len(more) > maxHanded {
		err = fmt.Errorf("publish ports: more than %d sockets of reserved ports", maxHanded)
	}
	if err != nil {
		wire.CloseFiles(append(files, more...))
		return nil, err
	}
	return append(files, more...), nil
}

// servable reports whether a descriptor is a listening socket, or one of UDP.
func servable(fd int) bool {
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return false
	}
	proto, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	return listening != 0 || err == nil && proto == unix.IPPROTO_UDP
}
