// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/slirp/sockaddr"
)

// Loop is an event loop (epoll(7)) on a thread of its own, which is in the
// container's network namespace and makes the sockets there by itself.
type Loop struct {
	epoll, bell int
	transparent bool
	ports       map[int]*Port // by descriptor
	ends        []*end        // by descriptor
	buf         []byte        // for what is read, until it is written
	pipes       pipePool
	kept        int32         // ends so far
	carried     int           // connections that were handed over
	wait        time.Duration // until accepting goes on, after a failure
	resume      time.Time
	early       []*end    // servers' ends whose visitors wait until somebody listens
	again       time.Time // when that is tried; zero: nobody waits
	graves      []grave   // the first to be closed first
	graveTime   time.Duration
	stopped     bool
	done        chan struct{} // closed when the thread has ended

	mu   sync.Mutex
	todo []func()
}

// bufferSize is what a connection may say at a time without being taken for a
// bulk transfer.
const bufferSize = 64 << 10

// Loops is how many loops carry the connections of one container: one for two
// processors, for the others have work too, and not many.
func Loops() int { return min(4, max(1, runtime.NumCPU()/2)) }

// buffers hold what waits to be taken.
var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// New starts a loop in a container's network namespace, for the visitors of its
// ports.
func New(ns *os.File) (*Loop, error) { return start(ns, routeMarked) }

// NewCarrier starts a loop in a network namespace for connections that others
// make.
func NewCarrier(ns *os.File) (*Loop, error) {
	return start(ns, func() error { return errors.New("no visitors") })
}

func start(ns *os.File, route func() error) (*Loop, error) {
	r := &Loop{epoll: -1, bell: -1, ports: map[int]*Port{}, buf: make([]byte, bufferSize), graveTime: time.Second, done: make(chan struct{})}
	ready := make(chan error, 1)
	go func() {
		defer close(r.done)
		runtime.LockOSThread() // and never unlocked: the thread ends here
		err := r.open(ns, route)
		ready <- err
		if err == nil {
			r.run()
		}
		r.closeAll()
	}()
	return r, <-ready
}

func (r *Loop) open(ns *os.File, route func() error) (err error) {
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return os.NewSyscallError("setns", err)
	}
	r.transparent = route() == nil
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if r.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	return r.control(unix.EPOLL_CTL_ADD, r.bell, unix.EPOLLIN)
}

func (r *Loop) control(op, fd int, events uint32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(r.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}))
}

// controlEnd is control for one that was kept.
func (r *Loop) controlEnd(op int, e *end, events uint32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(r.epoll, op, e.fd, &unix.EpollEvent{Events: events, Fd: int32(e.fd), Pad: e.kept}))
}

// do has the loop run f, and waits until it has.
func (r *Loop) do(f func()) {
	finished := make(chan struct{})
	r.mu.Lock()
	r.todo = append(r.todo, func() { f(); close(finished) })
	r.mu.Unlock()
	one := binary.NativeEndian.AppendUint64(nil, 1)
	_, _ = unix.Write(r.bell, one) // fails only when it rings already
	select {
	case <-finished:
	case <-r.done:
	}
}

// Close ends the loop and all connections.
func (r *Loop) Close() {
	r.do(func() { r.stopped = true })
	<-r.done
}

func (r *Loop) closeAll() {
	for _, e := range r.ends {
		switch {
		case e == nil:
		case e.inside:
			reset(e.fd)
		default:
			unix.Close(e.fd)
		}
	}
	for _, g := range r.graves {
		unix.Close(g.fd)
	}
	r.pipes.close()
	for _, fd := range []int{r.epoll, r.bell} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

func (r *Loop) run() {
	events := make([]unix.EpollEvent, 128)
	for !r.stopped {
		n, err := pollNow(r.epoll, events)
		if n == 0 {
			n, err = unix.EpollWait(r.epoll, events, r.timeout())
		}
		if err != nil && err != unix.EINTR {
			return
		}
		// A descriptor may be closed and given again within one round: what was
		// seen of the old one is nothing to the new one, which is of a later keep.
		for _, ev := range events[:max(n, 0)] {
			fd := int(ev.Fd)
			switch {
			case fd == r.bell:
				r.answer()
			case r.ports[fd] != nil:
				r.accept(r.ports[fd])
			case fd < len(r.ends) && r.ends[fd] != nil && r.ends[fd].kept == ev.Pad:
				r.handle(r.ends[fd], ev.Events)
			}
		}
		r.acceptAgain()
		r.clear()
		r.connectEarly()
	}
}

// answer does what others want the loop to do.
func (r *Loop) answer() {
	var count [8]byte
	_, _ = unix.Read(r.bell, count[:])
	r.mu.Lock()
	todo := r.todo
	r.todo = nil
	r.mu.Unlock()
	for _, f := range todo {
		f()
	}
}

// listen begins to accept. The loops of one container all watch a port: the
// kernel wakes one of them.
func (r *Loop) listen(p *Port) error {
	if err := r.control(unix.EPOLL_CTL_ADD, p.fd, unix.EPOLLIN|unix.EPOLLEXCLUSIVE); err != nil {
		return err
	}
	r.ports[p.fd] = p
	return nil
}

// forget ends a port and its connections.
func (r *Loop) forget(p *Port) {
	_ = r.control(unix.EPOLL_CTL_DEL, p.fd, 0)
	delete(r.ports, p.fd)
	for _, e := range r.ends {
		if e != nil && e.port == p {
			r.drop(e, false)
		}
	}
}

const acceptAtOnce = 64

func (r *Loop) accept(p *Port) {
	if !r.resume.IsZero() {
		return // events of before the pause
	}
	for range acceptAtOnce {
		fd, from, err := unix.Accept4(p.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
			r.wait = 0
			r.join(p, fd, sockaddr.AddrPort(from))
		case unix.EINTR, unix.ECONNABORTED:
		case unix.EAGAIN:
			return
		default: // no descriptor is free, for one: visitors wait
			r.pause()
			return
		}
	}
}

// pause stops accepting for a while.
func (r *Loop) pause() {
	const shortest, longest = 5 * time.Millisecond, time.Second
	r.wait = max(shortest, min(2*r.wait, longest))
	r.resume = time.Now().Add(r.wait)
	for fd := range r.ports {
		_ = r.control(unix.EPOLL_CTL_DEL, fd, 0)
	}
}

func (r *Loop) acceptAgain() {
	if r.resume.IsZero() || time.Now().Before(r.resume) {
		return
	}
	r.resume = time.Time{}
	for fd := range r.ports {
		_ = r.control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN|unix.EPOLLEXCLUSIVE)
	}
}

// timeout is epoll_wait(2)'s, in milliseconds.
func (r *Loop) timeout() int {
	next := r.resume
	if next.IsZero() || !r.again.IsZero() && r.again.Before(next) {
		next = r.again
	}
	if len(r.graves) > 0 && (next.IsZero() || r.graves[0].until.Before(next)) {
		next = r.graves[0].until
	}
	if next.IsZero() {
		return -1
	}
	return int(max(0, time.Until(next).Milliseconds()) + 1)
}

// LimitPipes bounds the pipes of bulk transfers that go through the kernel; the
// others go through a buffer. Without it there is one for 16 descriptors that the
// process may have.
func (r *Loop) LimitPipes(n int) { r.do(func() { r.pipes.limit, r.pipes.limited = n, true }) }

// pipePool keeps the pipes that splice(2) needs. There are no more of them than
// the process has descriptors to spare.
type pipePool struct {
	free    []*pipe
	made    int
	limit   int
	limited bool // limit is known
}

type pipe struct{ r, w int }

const pipeSize = 1 << 20

// take returns a pipe, or nil when there is none to be had.
func (p *pipePool) take() *pipe {
	if n := len(p.free); n > 0 {
		last := p.free[n-1]
		p.free = p.free[:n-1]
		return last
	}
	if !p.limited {
		const share = 16 // of the descriptors, for the two of a pipe in two loops
		var l unix.Rlimit
		_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &l)
		p.limit, p.limited = int(min(l.Cur/share, 1<<16)), true
	}
	var fds [2]int
	if p.made >= p.limit || unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		return nil
	}
	_, _ = unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, pipeSize)
	p.made++
	return &pipe{fds[0], fds[1]}
}

// give takes an empty pipe back.
func (p *pipePool) give(one *pipe) {
	const spare = 4
	if len(p.free) < spare {
		p.free = append(p.free, one)
		return
	}
	p.discard(one)
}

// discard closes a pipe, with what is in it.
func (p *pipePool) discard(one *pipe) {
	unix.Close(one.r)
	unix.Close(one.w)
	p.made--
}

func (p *pipePool) close() {
	for _, one := range p.free {
		p.discard(one)
	}
}
