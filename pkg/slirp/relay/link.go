// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// end is one of the two sockets of a connection that a loop carries: the
// visitor's on the host, and the server's in the container. It holds what has
// come from it and was not taken by the other end yet.
type end struct {
	fd    int
	kept  int32 // which of those that had the descriptor one after the other
	other *end
	port  *Port // nil: the connection is not a visitor's
	// inside is whether whom it is connected to ends with the loop: the kernel need
	// not wait for their last word, for minutes, with their namespace.
	inside bool

	watched bool
	events  uint32 // that epoll watches for

	connecting bool // the server's end, until connect(2) is done
	tried      attempt
	attempts   []attempt      // and what is to be tried if that fails
	from       netip.AddrPort // the visitor

	rest  *[]byte // a buffer of which left was not written
	left  []byte
	pipe  *pipe // of a bulk transfer
	piped int   // bytes in it
	full  int   // reads in a row that filled the buffer
	ended bool  // there is no more to read
	shut  bool  // and the other end was told
}

func (e *end) waits() bool { return len(e.left) > 0 || e.piped > 0 }

// join connects a visitor to the container's server. Who cannot be connected is
// reset, as the server would have done.
func (r *Loop) join(p *Port, fd int, from netip.AddrPort) {
	visitor := &end{fd: fd, port: p}
	server := &end{fd: -1, port: p, other: visitor, from: from, attempts: p.attempts(from, r.transparent)}
	visitor.other = server
	if !r.connect(server) && !r.postpone(server) {
		reset(fd)
		return
	}
	r.keep(visitor)
	r.watch(visitor)
	if !server.connecting {
		r.met(server)
	}
}

// Relay carries between a socket and one into the container, which other makes on
// the loop's thread. Neither blocks, and both are the loop's then; with an error,
// fd is the caller's. There may be most connections at a time, then it is EMFILE.
func (r *Loop) Relay(fd int, most int, other func() (int, error)) error {
	err := os.ErrClosed
	r.do(func() {
		if r.carried >= most {
			err = unix.EMFILE
			return
		}
		var to int
		if to, err = other(); err != nil {
			return
		}
		a, b := &end{fd: fd}, &end{fd: to, inside: true}
		a.other, b.other = b, a
		r.carried++
		r.keep(a)
		r.keep(b)
		r.watch(a)
		r.watch(b)
	})
	return err
}

func (r *Loop) keep(e *end) {
	for len(r.ends) <= e.fd {
		r.ends = append(r.ends, make([]*end, 64)...)
	}
	r.kept++
	e.kept = r.kept
	r.ends[e.fd] = e
}

// connect begins to connect the server's end. It reports whether there is hope.
func (r *Loop) connect(e *end) bool {
	for len(e.attempts) > 0 {
		next := e.attempts[0]
		e.attempts = e.attempts[1:]
		fd, err := next.dial()
		if err != nil && err != unix.EINPROGRESS {
			if next.last(err) {
				return false
			}
			continue
		}
		e.fd, e.connecting = fd, err != nil
		r.keep(e)
		if e.connecting {
			e.tried = next
			r.watch(e)
		}
		return true
	}
	return false
}

// connected looks how connect(2) went.
func (r *Loop) connected(e *end) {
	n, err := unix.GetsockoptInt(e.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	e.connecting = false
	if err == nil && n != 0 {
		last := e.tried.last(unix.Errno(n))
		r.release(e)
		if (last || !r.connect(e)) && !r.postpone(e) {
			r.drop(e, true)
			return
		}
		if e.connecting {
			return
		}
	}
	r.met(e)
}

// met is for a server's end that is connected.
func (r *Loop) met(e *end) {
	if s := e.port.server; s.until.Load() != nil { // it listens: from now on who is refused is refused
		s.until.Store(nil)
		r.again = time.Now()
	}
	r.watch(e)
	r.watch(e.other)
}

// watch tells epoll what matters: what comes from e unless some of it waits, and
// room for what waits to go there.
func (r *Loop) watch(e *end) {
	var want uint32
	if e.connecting || e.other.waits() {
		want |= unix.EPOLLOUT
	}
	if !e.connecting && !e.other.connecting && !e.ended && !e.waits() {
		want |= unix.EPOLLIN
	}
	switch {
	case !e.watched:
		e.watched = r.controlEnd(unix.EPOLL_CTL_ADD, e, want) == nil
	case want != e.events:
		_ = r.controlEnd(unix.EPOLL_CTL_MOD, e, want)
	}
	e.events = want
}

// handle is called for what epoll has seen.
func (r *Loop) handle(e *end, events uint32) {
	switch {
	case e.connecting:
		r.connected(e)
		return
	case e.other.connecting: // a visitor who is not waited for any more
		if events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
			r.drop(e, true)
		}
		return
	}
	if events&unix.EPOLLERR != 0 {
		if n, err := unix.GetsockoptInt(e.fd, unix.SOL_SOCKET, unix.SO_ERROR); err == nil && n != 0 {
			r.passLast(e)
			r.drop(e, true)
			return
		}
	}
	if events&unix.EPOLLOUT != 0 && e.other.waits() && !r.flush(e.other) {
		return
	}
	switch {
	case events&(unix.EPOLLIN|unix.EPOLLHUP) == 0:
	case !e.ended && !e.waits():
		r.pump(e)
	case events&unix.EPOLLHUP != 0 && r.ends[e.fd] == e:
		// Cannot be watched for without being told all the time: watch does so
		// again when what waits is gone.
		_ = r.controlEnd(unix.EPOLL_CTL_DEL, e, 0)
		e.watched = false
	}
}

const (
	bulk       = 3 // reads in a row that fill the buffer, until splice(2) is worth a pipe
	smallPiece = bufferSize / 4
)

// pump carries what comes from e: through a buffer, which is cheap for little,
// or within the kernel. It does so once: others have their turn then, and epoll
// tells of what is left.
func (r *Loop) pump(e *end) {
	if e.pipe != nil {
		r.splice(e)
		return
	}
	n, err := readNow(e.fd, r.buf)
	switch {
	case err == unix.EINTR, err == unix.EAGAIN:
		return
	case err != nil:
		r.drop(e, true)
		return
	case n == 0:
		r.finish(e)
		return
	}
	e.left = r.buf[:n]
	switch {
	case !r.flush(e):
	case n < len(r.buf):
		e.full = 0
	default:
		if e.full++; e.full >= bulk {
			e.full, e.pipe = 0, r.pipes.take()
		}
	}
}

// splice moves data in the kernel.
func (r *Loop) splice(e *end) {
	n, err := unix.Splice(e.fd, nil, e.pipe.w, nil, pipeSize, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
	switch {
	case err == unix.EINTR, err == unix.EAGAIN:
		return
	case err != nil:
		r.drop(e, true)
		return
	case n == 0:
		r.finish(e)
		return
	}
	e.piped = int(n)
	switch {
	case !r.flush(e):
	case n >= smallPiece:
		e.full = 0
	default:
		if e.full++; e.full >= bulk { // no bulk transfer any more
			r.pipes.give(e.pipe)
			e.full, e.pipe = 0, nil
		}
	}
}

// flush writes what waits to the other end. It reports whether all of it went,
// and the connection is still there.
func (r *Loop) flush(e *end) bool {
	for e.waits() {
		n, err := r.write(e)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			if e.rest == nil && len(e.left) > 0 { // it is in the loop's buffer
				e.rest = buffers.Get().(*[]byte)
				e.left = append((*e.rest)[:0], e.left...)
			}
			r.watch(e)
			r.watch(e.other)
			return false
		case err != nil:
			r.drop(e, true)
			return false
		case e.piped > 0:
			e.piped -= n
		default:
			e.left = e.left[n:]
		}
	}
	if e.left = nil; e.rest != nil {
		buffers.Put(e.rest)
		e.rest = nil
	}
	if e.ended {
		return r.pass(e)
	}
	// Only who had to wait is watched for something else.
	if e.events&unix.EPOLLIN == 0 || !e.watched {
		r.watch(e)
		r.watch(e.other)
	}
	return true
}

func (r *Loop) write(e *end) (int, error) {
	if e.piped > 0 {
		n, err := unix.Splice(e.pipe.r, nil, e.other.fd, nil, e.piped, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		return int(n), err
	}
	return sendNow(e.other.fd, e.left)
}

// passLast carries what a connection that was reset had brought before, as far as the
// other end takes it at once: tcp(7) keeps it to be read. Who answers without having
// read all, and closes, resets.
func (r *Loop) passLast(e *end) {
	for !e.waits() && !e.ended {
		n, err := readNow(e.fd, r.buf)
		if err != nil || n == 0 {
			return
		}
		if sent, err := sendNow(e.other.fd, r.buf[:n]); err != nil || sent < n {
			return
		}
	}
}

// finish notes that no more comes from e.
func (r *Loop) finish(e *end) {
	e.ended = true
	r.pass(e)
}

// pass tells the other end that no more comes, when it has everything. It
// reports whether the connection is still there.
func (r *Loop) pass(e *end) bool {
	if e.shut = true; e.other.shut {
		r.drop(e, false)
		return false
	}
	_ = unix.Shutdown(e.other.fd, unix.SHUT_WR)
	r.watch(e)
	r.watch(e.other)
	return true
}

// drop closes both ends. One that was cut is cut on the other side too.
func (r *Loop) drop(e *end, cut bool) {
	for _, o := range []*end{e, e.other} {
		if cut && o.fd >= 0 {
			r.bury(o)
			_ = unix.SetsockoptLinger(o.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		}
		r.release(o)
	}
}

// release closes one end.
func (r *Loop) release(e *end) {
	if e.fd < 0 {
		return
	}
	r.ends[e.fd] = nil
	unix.Close(e.fd)
	if e.inside {
		r.carried--
	}
	e.fd, e.watched, e.events = -1, false, 0
	if e.rest != nil {
		buffers.Put(e.rest)
	}
	switch {
	case e.pipe == nil:
	case e.piped > 0:
		r.pipes.discard(e.pipe)
	default:
		r.pipes.give(e.pipe)
	}
	e.rest, e.left, e.pipe, e.piped = nil, nil, nil, 0
}

// reset closes a connection as one that was refused.
func reset(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(fd)
}
