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

// HandedOver takes the sockets that a service manager has handed to this process,
// and the words about them: they are for nobody else. It is for a program that was
// started for the sake of one container; another's sockets are its own.
func HandedOver() []*os.File {
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

// reservedPorts are sockets that the supervisor of a container cannot make: of
// ports that only the caller may bind. Where others were given there are none.
func reservedPorts(c *container.Container, given []*os.File) ([]*os.File, error) {
	if len(given) > 0 || len(c.Net.Publish) == 0 || !ids.Capable(unix.CAP_NET_BIND_SERVICE) {
		return nil, nil
	}
	files, err := publish.BindReserved(c.Net.Publish)
	if err == nil && len(files) > maxHanded {
		err = fmt.Errorf("publish ports: more than %d sockets of reserved ports", maxHanded)
	}
	if err != nil {
		wire.CloseFiles(files)
		return nil, err
	}
	return files, nil
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
