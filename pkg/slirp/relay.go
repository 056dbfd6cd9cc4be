// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"encoding/binary"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// relay carries the connections of published TCP ports: an event loop (epoll(7))
// on a thread of its own, which is in the container's network namespace and makes
// the sockets there by itself. A goroutine for each direction of each connection
// would cost three times the system calls for a small message, and a switch
// between threads for a new connection.
type relay struct {
	epoll, bell int
	transparent bool
	ports       map[int]*tcpPort // by descriptor
	ends        []*end           // by descriptor
	buf         []byte           // for what is read, until it is written
	pipes       pipePool
	wait        time.Duration // until accepting goes on, after a failure
	resume      time.Time
	stopped     bool
	done        chan struct{} // closed when the thread has ended

	mu   sync.Mutex
	todo []func()
}

// relayBuffer is what a connection may say at a time without being taken for a
// bulk transfer.
const relayBuffer = 64 << 10

// newRelay starts a loop in ns.
func newRelay(ns *os.File) (*relay, error) {
	r := &relay{epoll: -1, bell: -1, ports: map[int]*tcpPort{}, buf: make([]byte, relayBuffer), done: make(chan struct{})}
	ready := make(chan error, 1)
	go func() {
		defer close(r.done)
		runtime.LockOSThread() // and never unlocked: the thread ends here
		err := r.open(ns)
		ready <- err
		if err == nil {
			r.run()
		}
		r.closeAll()
	}()
	return r, <-ready
}

func (r *relay) open(ns *os.File) (err error) {
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return os.NewSyscallError("setns", err)
	}
	r.transparent = routeMarked() == nil
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if r.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	return r.control(unix.EPOLL_CTL_ADD, r.bell, unix.EPOLLIN)
}

func (r *relay) control(op, fd int, events uint32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(r.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}))
}

// do has the loop run f, and waits until it has.
func (r *relay) do(f func()) {
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

// close ends the loop and all connections.
func (r *relay) close() {
	r.do(func() { r.stopped = true })
	<-r.done
}

func (r *relay) closeAll() {
	for _, e := range r.ends {
		if e != nil {
			unix.Close(e.fd)
		}
	}
	r.pipes.close()
	for _, fd := range []int{r.epoll, r.bell} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

func (r *relay) run() {
	events := make([]unix.EpollEvent, 128)
	for !r.stopped {
		n, err := pollNow(r.epoll, events)
		if n == 0 {
			n, err = unix.EpollWait(r.epoll, events, r.timeout())
		}
		if err != nil && err != unix.EINTR {
			return
		}
		// A descriptor may be closed and given again within one round. That is
		// no harm: whatever is done to it does not block.
		for _, ev := range events[:max(n, 0)] {
			fd := int(ev.Fd)
			switch {
			case fd == r.bell:
				r.answer()
			case r.ports[fd] != nil:
				r.accept(r.ports[fd])
			case fd < len(r.ends) && r.ends[fd] != nil:
				r.handle(r.ends[fd], ev.Events)
			}
		}
		r.acceptAgain()
	}
}

// answer does what others want the loop to do.
func (r *relay) answer() {
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
func (r *relay) listen(p *tcpPort) error {
	if err := r.control(unix.EPOLL_CTL_ADD, p.fd, unix.EPOLLIN|unix.EPOLLEXCLUSIVE); err != nil {
		return err
	}
	r.ports[p.fd] = p
	return nil
}

// forget ends a port and its connections.
func (r *relay) forget(p *tcpPort) {
	_ = r.control(unix.EPOLL_CTL_DEL, p.fd, 0)
	delete(r.ports, p.fd)
	for _, e := range r.ends {
		if e != nil && e.port == p {
			r.drop(e, false)
		}
	}
}

const acceptAtOnce = 64

func (r *relay) accept(p *tcpPort) {
	if !r.resume.IsZero() {
		return // events of before the pause
	}
	for range acceptAtOnce {
		fd, from, err := unix.Accept4(p.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
			r.wait = 0
			r.join(p, fd, addrPortOf(from))
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
func (r *relay) pause() {
	const shortest, longest = 5 * time.Millisecond, time.Second
	r.wait = max(shortest, min(2*r.wait, longest))
	r.resume = time.Now().Add(r.wait)
	for fd := range r.ports {
		_ = r.control(unix.EPOLL_CTL_DEL, fd, 0)
	}
}

func (r *relay) acceptAgain() {
	if r.resume.IsZero() || time.Now().Before(r.resume) {
		return
	}
	r.resume = time.Time{}
	for fd := range r.ports {
		_ = r.control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN|unix.EPOLLEXCLUSIVE)
	}
}

// timeout is epoll_wait(2)'s, in milliseconds.
func (r *relay) timeout() int {
	if r.resume.IsZero() {
		return -1
	}
	return int(max(0, time.Until(r.resume).Milliseconds()) + 1)
}

// pipePool keeps the pipes that splice(2) needs. There are no more of them than
// the process has descriptors to spare.
type pipePool struct {
	free  []*pipe
	made  int
	limit int
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
	if p.limit == 0 {
		const share = 16 // of the descriptors, for the two of a pipe in two loops
		var l unix.Rlimit
		_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &l)
		p.limit = int(min(l.Cur/share, 1<<16)) + 1
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
