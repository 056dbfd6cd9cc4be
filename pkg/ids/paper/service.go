// SPDX-License-Identifier: Apache-2.0

package paper

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// request is struct seccomp_notif of linux/seccomp.h.
type request struct {
	id    uint64
	pid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	val   int64
	error int32 // negative
	flags uint32
}

const (
	// stuckAfter is how long a receiver may take for one request until another one
	// takes over: a file may be on a file system that a process of the container
	// serves, which waits for an answer itself.
	stuckAfter = 100 * time.Millisecond
	// maxReceivers bounds the threads that such a file system can take.
	maxReceivers = 64
)

// service answers the requests of one listener.
type service struct {
	keeper *Keeper
	fd     int

	done     atomic.Uint64 // answers given
	watching atomic.Bool
	all      sync.WaitGroup
	mu       sync.Mutex // of what follows
	running  int        // receivers
	waiting  int        // of them, those without a request
	gone     bool       // all processes are, and soon the listener
}

// Serve answers the calls that arrive at listener, the descriptor that seccomp(2)
// gave for a filter, until no process is left that has the filter. It closes the
// listener.
func (k *Keeper) Serve(listener *os.File) error {
	defer listener.Close()
	s := &service{keeper: k, fd: int(listener.Fd())}
	if err := unix.SetNonblock(s.fd, !k.waits); err != nil {
		return fmt.Errorf("serve seccomp listener: %w", err)
	}
	s.switchAtOnce()
	if runtime.GOMAXPROCS(0) == 1 { // else the runtime looks every 20 µs after a thread that waits in the kernel
		runtime.GOMAXPROCS(2)
	}
	s.receiver()
	s.all.Wait()
	k.Settle()
	return nil
}

// switchAtOnce lets a request and its response wake the other side on the same
// processor: one of the two waits (SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6).
func (s *service) switchAtOnce() {
	const setFlags, syncWakeUp = 0x40082104, 1 // SECCOMP_IOCTL_NOTIF_SET_FLAGS of linux/seccomp.h
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(s.fd), setFlags, syncWakeUp)
}

// receiver starts one, if there is none that waits.
func (s *service) receiver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone || s.waiting > 0 || s.running == maxReceivers {
		return
	}
	s.running++
	s.waiting++
	s.all.Add(1)
	go s.receive()
}

// receive answers requests on a thread of its own, which waits in the kernel: the
// runtime's poller would cost several times as much as most answers do.
func (s *service) receive() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer s.all.Done()
	var req request
	c := &call{keeper: s.keeper}
	c.valid = func() bool {
		return s.ioctl(unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&req.id)) == 0
	}
	for {
		switch err := s.next(&req); {
		case errors.Is(err, errGone):
			s.leave(false)
			return
		case err != nil:
			continue // it was killed, or a signal interrupted its call, which it will repeat
		}
		s.began()
		resp := s.keeper.answer(c, &req)
		_ = s.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&resp)) // who is gone needs no answer
		if !s.ended() {
			return
		}
	}
}

var errGone = errors.New("no process has the filter any more")

// next waits for a request. Before Linux 6.11 the ioctl waits for processes that are
// gone, and before 6.6 it waits whether it is to or not: so poll(2) is asked first.
func (s *service) next(req *request) error {
	pause := s.keeper.nextLook()
	if !s.keeper.waits || pause != nil {
		if n, err := s.poll(pause); err != nil {
			return err
		} else if n == 0 {
			s.keeper.look(0)
			return unix.EAGAIN
		}
	}
	*req = request{} // the kernel wants zeros
	e := s.ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(req))
	switch {
	case e == 0:
		return nil
	case e == unix.ENOENT && s.keeper.waits: // one is gone, or all are
		if _, err := s.poll(&unix.Timespec{}); err != nil {
			return err
		}
	}
	return e
}

// ioctl asks something of the listener, again where a signal of the runtime's came
// between: each begins with a lock that signals interrupt.
func (s *service) ioctl(what uintptr, arg unsafe.Pointer) unix.Errno {
	for {
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(s.fd), what, uintptr(arg)); e != unix.EINTR {
			return e
		}
	}
}

// poll waits until there is a request, and returns how many listeners have one.
func (s *service) poll(pause *unix.Timespec) (int, error) {
	p := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
	n, err := unix.Ppoll(p, pause, nil)
	if err == nil && p[0].Revents&unix.POLLIN == 0 && p[0].Revents != 0 {
		err = errGone
	}
	return n, err
}

// kernelAtLeast reports whether Linux is of this version or a later one.
func kernelAtLeast(major, minor int) bool {
	var u unix.Utsname
	var is [2]int
	if unix.Uname(&u) != nil {
		return false
	}
	_, _ = fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &is[0], &is[1])
	return is[0] > major || is[0] == major && is[1] >= minor
}

// began says that a receiver has a request, and has somebody look after a while
// whether it still has it.
func (s *service) began() {
	s.mu.Lock()
	s.waiting--
	s.mu.Unlock()
	if !s.watching.Load() && s.watching.CompareAndSwap(false, true) {
		seen := s.done.Load()
		time.AfterFunc(stuckAfter, func() { s.watch(seen) })
	}
}

// watch starts another receiver where none has given an answer since seen answers
// were given, and all have a request. It stops where there is nothing to do.
func (s *service) watch(seen uint64) {
	s.mu.Lock()
	idle := s.waiting > 0 || s.gone
	s.mu.Unlock()
	now := s.done.Load()
	if now == seen && idle {
		s.watching.Store(false)
		return
	}
	if now == seen {
		s.receiver()
	}
	time.AfterFunc(stuckAfter, func() { s.watch(now) })
}

// ended says that a receiver has given its answer, and whether it is to go on: one
// is enough.
func (s *service) ended() bool {
	s.done.Add(1)
	return s.leave(true)
}

func (s *service) leave(stay bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !stay: // it was waiting
		s.gone = true
		s.waiting--
	case s.gone:
	case s.waiting == 0:
		s.waiting++
		return true
	}
	s.running--
	return false
}
