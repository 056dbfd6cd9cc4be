// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/container"
)

// serve answers the control socket until it is closed.
func (s *supervisor) serve() {
	for {
		c, err := s.ctl.AcceptUnix()
		if err != nil {
			return
		}
		if !sameUser(c) {
			c.Close()
			continue
		}
		s.talks.Add(1)
		go func() {
			defer s.talks.Done()
			s.talk(container.WrapConn(c))
		}()
	}
}

// sameUser refuses everybody but the user the container belongs to: 0 in this
// user namespace. The directory's mode says the same; this holds even if
// somebody changes it.
func sameUser(c *net.UnixConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	ok := false
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		ok = err == nil && cred.Uid == 0
	})
	return err == nil && ok
}

// talk serves one connection.
func (s *supervisor) talk(conn *container.Conn) {
	defer conn.Close()
	var req container.Request
	files, err := conn.Recv(&req)
	if err != nil {
		return
	}
	var answer error
	switch req.Op {
	case container.OpAttach:
		s.attach(conn, req.Attach, files, nil)
		return
	case container.OpExec:
		if s.isPaused() {
			answer = reply(conn, fmt.Errorf("Container %s is paused, unpause the container before exec", s.id))
			break
		}
		s.exec(conn, req.Exec)
	case container.OpSignal:
		answer = reply(conn, s.kill(syscall.Signal(req.Signal)))
	case container.OpStop:
		answer = reply(conn, s.stop(syscall.Signal(req.Signal), req.Timeout))
	case container.OpStat:
		answer = s.statPath(conn, req.Copy)
	case container.OpCopyOut, container.OpCopyIn:
		done := sayBusy(conn)
		left, err := s.copyFiles(req, files)
		done()
		container.CloseFiles(files) // the other end waits for that
		files, answer = nil, copied(conn, left, err)
	case container.OpPause:
		answer = reply(conn, s.pause())
	case container.OpUnpause:
		answer = reply(conn, s.unpause())
	case container.OpUpdate:
		answer = reply(conn, s.update())
	case container.OpRename:
		answer = reply(conn, s.rename())
	case container.OpShare:
		answer = s.share(conn)
	case container.OpConnect:
		answer = reply(conn, s.connect(req.Network))
	case container.OpDisconnect:
		answer = reply(conn, s.disconnect(req.Network))
	case container.OpWait:
		answer = conn.Send(container.Reply{Event: container.EventExit, Code: s.nextEnd()})
	case container.OpWaitDown:
		<-s.ended
		answer = conn.Send(container.Reply{Event: container.EventExit, Code: s.code})
	default:
		answer = reply(conn, fmt.Errorf("unknown operation %q", req.Op))
	}
	container.CloseFiles(files)
	if answer != nil {
		fmt.Fprintln(os.Stderr, "supervise: answer:", answer)
	}
}

func reply(conn *container.Conn, err error) error {
	if err == nil {
		return conn.Send(container.Reply{Event: container.EventDone})
	}
	var se *container.StartError
	if !errors.As(err, &se) {
		se = container.NewStartError(1, err)
	}
	return conn.Send(container.Reply{Event: container.EventError, Code: se.Code, Error: se.Message, Hint: se.Hint()})
}

// serveBirth attaches the client that launched the container, lets the
// process run, and reports on born.
func (s *supervisor) serveBirth(conn *container.Conn, req container.Request, files []*os.File, born chan<- error) {
	defer conn.Close()
	release := func() error {
		if a := req.Attach; a != nil && s.io.pty != nil && a.Rows > 0 {
			_ = unix.IoctlSetWinsize(int(s.io.pty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: a.Rows, Col: a.Cols})
		}
		s.arrived()
		err := s.release()
		if err != nil {
			s.left()
			var se *container.StartError
			if errors.As(err, &se) {
				s.recordFailure(se) // before anybody who was told can look
			}
			_ = reply(conn, err)
		}
		born <- err
		return err
	}
	if req.Attach == nil {
		container.CloseFiles(files)
		if release() == nil {
			_ = conn.Send(container.Reply{Event: container.EventStarted, Pid: s.init.HostPid})
		}
		return
	}
	s.attach(conn, req.Attach, files, release)
}

// attach connects a client to the first process until that ends for good or
// the client leaves. before, when not nil, runs once the client misses nothing
// any more.
func (s *supervisor) attach(conn *container.Conn, a *container.Attach, files []*os.File, before func() error) {
	k := newSink(a, files)
	k.lost = func(err error) {
		var lost *container.OutputError
		if errors.As(err, &lost) {
			_ = conn.Send(lostReply(lost))
		}
	}
	s.mu.Lock()
	io, next := s.io, s.next
	s.mu.Unlock()
	in := io.attach(k, a != nil && a.Stdin)
	s.event("attach", nil)
	ready := container.Reply{Event: container.EventAttached}
	var err error
	if in != nil {
		err = conn.Send(ready, in)
		io.stdinGiven()
	} else {
		err = conn.Send(ready)
	}
	if before != nil {
		if before() != nil {
			io.detach(k)
			return
		}
	}
	if err == nil {
		_ = conn.Send(container.Reply{Event: container.EventStarted})
	}
	if a != nil && a.Rows > 0 && io.tty {
		s.event("resize", map[string]string{"height": strconv.Itoa(int(a.Rows)), "width": strconv.Itoa(int(a.Cols))})
	}
	left := make(chan bool, 1)
	go func() { left <- s.listen(conn) }()
	select {
	case <-s.ended:
		_ = conn.Send(container.Reply{Event: container.EventExit, Code: s.code})
	case <-next.over: // theirs was this process
		io.detach(k)
		_ = conn.Send(container.Reply{Event: container.EventExit, Code: next.code})
	case asked := <-left:
		io.detach(k)
		if asked {
			s.event("detach", nil)
			_ = conn.Send(container.Reply{Event: container.EventDone})
		}
	}
}

func lostReply(e *container.OutputError) container.Reply {
	var errno syscall.Errno
	errors.As(e, &errno)
	return container.Reply{Event: container.EventLost, Code: int(errno), Stream: e.Stream}
}

func newSink(a *container.Attach, files []*os.File) *sink {
	k := &sink{}
	if a != nil && a.Stdout && len(files) > 0 {
		k.stdout, files = container.OpenOutput(files[0]), files[1:]
	}
	if a != nil && a.Stderr && len(files) > 0 {
		k.stderr, files = container.OpenOutput(files[0]), files[1:]
	}
	container.CloseFiles(files)
	k.files = []*os.File{k.stdout, k.stderr}
	return k
}

// listen takes what an attached client says until it leaves, and reports
// whether it asked to.
func (s *supervisor) listen(conn *container.Conn) bool {
	for {
		var req container.Request
		files, err := conn.Recv(&req)
		container.CloseFiles(files)
		if err != nil {
			return false
		}
		switch req.Op {
		case container.OpDetach:
			return true
		case container.OpSignal:
			_ = s.kill(syscall.Signal(req.Signal))
		}
	}
}

// signal reaches the first process.
func (s *supervisor) signal(sig syscall.Signal) error {
	s.mu.Lock()
	init := s.init
	s.mu.Unlock()
	if init == nil || init.Process.Signal(sig) != nil {
		return s.notRunning()
	}
	s.event("kill", map[string]string{"signal": strconv.Itoa(int(sig))})
	return nil
}

// kill is signal, asked for by somebody. A signal that may well be meant to end
// the container takes it out of its restart policy, as in Docker: its stop signal
// and SIGKILL, or any where no stop signal was set.
func (s *supervisor) kill(sig syscall.Signal) error {
	set := s.c.Life.StopSignal
	if set == "" || sig == unix.SIGKILL || sig == container.StopSignal(set) {
		s.mu.Lock()
		s.lastRun = true
		s.mu.Unlock()
		s.cancelOnce.Do(func() { close(s.cancel) })
		if s.isPaused() {
			defer func() { _ = s.unpause() }()
		}
	}
	err := s.signal(sig)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lastRun && s.state.Status == container.Restarting {
		return nil // there was nothing to signal but the wait for the next start
	}
	return err
}

// stop asks the process to end and kills it after the timeout; it returns
// when the container is down for good.
func (s *supervisor) stop(sig syscall.Signal, timeout *int) error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.cancelOnce.Do(func() { close(s.cancel) })
	if sig == 0 {
		sig = container.StopSignal(s.c.Life.StopSignal)
	}
	_ = s.signal(sig) // between two starts there is nothing to signal
	if s.isPaused() { // what is frozen takes no signal but SIGKILL
		_ = s.unpause()
	}
	var kill <-chan time.Time
	if timeout != nil && *timeout >= 0 {
		t := time.NewTimer(time.Duration(*timeout) * time.Second)
		defer t.Stop()
		kill = t.C
	}
	select {
	case <-s.ended:
	case <-kill:
		s.killAll()
		<-s.ended
	}
	return nil
}
