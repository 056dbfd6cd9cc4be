// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/slirp/publish"
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
func (c *Container) listening() ([]*os.File, error) {
	files := handedOver()
	if len(files) > 0 || len(c.Net.Publish) == 0 || !ids.Capable(unix.CAP_NET_BIND_SERVICE) {
		return files, nil
	}
	more, err := publish.BindReserved(c.Net.Publish)
	if err == nil && len(files)+len(more) > maxHanded {
		err = fmt.Errorf("publish ports: more than %d sockets of reserved ports", maxHanded)
	}
	if err != nil {
		CloseFiles(append(files, more...))
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

// TakeShared takes the namespace of a shared network out of the files that came
// with a start request; nil when there is none.
func (r *Request) TakeShared(files *[]*os.File) (*os.File, error) {
	if r.Shared == nil || r.Shared.Host {
		return nil, nil
	}
	last := len(*files) - 1
	if last < 0 {
		return nil, errors.New("read start request: no network namespace")
	}
	f := (*files)[last]
	*files = (*files)[:last]
	return f, nil
}

// TakeListening takes the sockets that were handed over out of the files that
// came with a start request.
func (r *Request) TakeListening(files *[]*os.File) ([]*os.File, error) {
	rest := len(*files) - r.Listen
	if r.Listen < 0 || rest < 0 {
		return nil, fmt.Errorf("read start request: %d of %d files are sockets", r.Listen, len(*files))
	}
	listening := (*files)[rest:]
	*files = (*files)[:rest]
	return listening, nil
}
