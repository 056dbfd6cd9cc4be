// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/slirp/sockaddr"
)

// A reset can overtake what was sent before it: the loopback hands over what each
// processor has sent by itself, and an acknowledgement that another processor handles
// sends more. Then the server's kernel asks back (RFC 5961, 3.2), and nobody would
// answer: for a socket that is gone the kernel sends nothing from an address that is
// not here (ip_route_output_key_hash). The server would wait for as long as it keeps
// connections alive, hours often. So where a socket with a visitor's name is cut while
// data is on its way, one that listens stays for a moment: it resets whatever still
// comes of that connection.
type grave struct {
	fd    int
	until time.Time
}

const mostDead = 256 // at a time, of one loop

// bury leaves a listener at the name of a server's end that is about to be reset.
func (r *Loop) bury(e *end) {
	if e.connecting || !e.from.IsValid() || !r.transparent || len(r.graves) >= mostDead {
		return
	}
	if waiting, err := unix.IoctlGetInt(e.fd, unix.SIOCOUTQ); err != nil || waiting == 0 { // nothing to be overtaken
		return
	}
	name, err := unix.Getsockname(e.fd)
	if err != nil {
		return
	}
	visitor := sockaddr.AddrPort(name)
	fd, err := unix.Socket(sockaddr.Domain(visitor.Addr()), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	if impersonate(fd, visitor) != nil || unix.Listen(fd, 0) != nil {
		unix.Close(fd)
		return
	}
	r.graves = append(r.graves, grave{fd, time.Now().Add(r.graveTime)})
}

// clear closes the sockets whose time has come.
func (r *Loop) clear() {
	if len(r.graves) == 0 {
		return
	}
	now := time.Now()
	for len(r.graves) > 0 && !now.Before(r.graves[0].until) {
		unix.Close(r.graves[0].fd)
		r.graves = r.graves[1:]
	}
}
