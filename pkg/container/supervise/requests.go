// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/wire"
	"coracle/pkg/wire/socket"
)

// operations are what a container that runs can be asked for.
func (s *supervisor) operations() map[string]operation {
	copies := transfers{first: s.first, rootfs: s.box.Rootfs()}
	return map[string]operation{
		control.OpAttach: func(conn *socket.Conn, req control.Request, with []*os.File) error {
			s.audience.attach(conn, req.Attach, with, nil)
			return nil
		},
		control.OpExec:   bare(s.exec),
		control.OpSignal: answers(func(req control.Request) error { return s.kill(syscall.Signal(req.Signal)) }),
		control.OpStop: answers(func(req control.Request) error {
			s.stop(syscall.Signal(req.Signal), req.Timeout)
			return nil
		}),
		control.OpStat:    bare(func(conn *socket.Conn, req control.Request) error { return copies.stat(conn, req.Copy) }),
		control.OpCopyOut: copies.copied,
		control.OpCopyIn:  copies.copied,
		control.OpPause: answers(func(control.Request) error {
			if _, err := s.first.running(); err != nil {
				return err
			}
			return s.bounds.pause()
		}),
		control.OpUnpause: answers(func(control.Request) error { return s.bounds.unpause() }),
		control.OpUpdate:  answers(func(control.Request) error { return s.update() }),
		control.OpResize: answers(func(req control.Request) error {
			switch {
			case req.Resize == nil:
				return errors.New("resize: no size")
			case req.Resize.Exec != "":
				return s.sessions.resize(req.Resize)
			}
			s.first.resize(req.Resize.Rows, req.Resize.Cols)
			s.book.event("resize", map[string]string{"height": strconv.Itoa(int(req.Resize.Rows)), "width": strconv.Itoa(int(req.Resize.Cols))})
			return nil
		}),
		control.OpRename:     answers(func(control.Request) error { return s.nets.rename() }),
		control.OpShare:      bare(func(conn *socket.Conn, _ control.Request) error { return s.nets.share(conn) }),
		control.OpConnect:    answers(func(req control.Request) error { return s.nets.connect(req.Network) }),
		control.OpDisconnect: answers(func(req control.Request) error { return s.nets.disconnect(req.Network) }),
		control.OpWait:       bare(s.wait),
		control.OpWaitDown:   bare(func(conn *socket.Conn, _ control.Request) error { return s.waitFor(conn, nil) }),
	}
}

func (s *supervisor) exec(conn *socket.Conn, req control.Request) error {
	if s.book.isPaused() {
		return reply(conn, fmt.Errorf("Container %s is paused, unpause the container before exec", s.id))
	}
	s.sessions.exec(conn, req.Exec)
	return nil
}

// wait answers at the end of the process that runs, or of the next one while none
// does.
func (s *supervisor) wait(conn *socket.Conn, _ control.Request) error {
	return s.waitFor(conn, s.first.end())
}

// waitFor answers at the end of a process, or with nil of the container, unless the
// client leaves before.
func (s *supervisor) waitFor(conn *socket.Conn, next *ending) error {
	if next == nil {
		next = s.down
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		files, _ := conn.Receive(&control.Request{}) // there is none: this is the end
		wire.CloseFiles(files)
	}()
	select {
	case <-next.over:
	case <-s.down.over:
		next = s.down
	case <-left:
		return nil
	}
	return conn.Send(control.Reply{Event: control.EventExit, Code: next.code})
}

// kill sends a signal, asked for by somebody. One that may well be meant to end
// the container takes it out of its restart policy, as in Docker: its stop signal
// and SIGKILL, or any where no stop signal was set.
func (s *supervisor) kill(sig syscall.Signal) error {
	between := s.book.isRestarting() // now: it ends with what follows
	set := s.c.Life.StopSignal
	if set == "" || sig == unix.SIGKILL || sig == container.StopSignal(set) {
		s.restarts.end()
		if s.book.isPaused() {
			defer s.bounds.thaw()
		}
	}
	err := s.first.signal(sig)
	if between && s.restarts.isLast() {
		return nil // there was nothing to signal but the wait for the next start
	}
	return err
}

// stop asks the process to end and kills it after the timeout; it returns
// when the container is down for good.
func (s *supervisor) stop(sig syscall.Signal, timeout *int) {
	s.restarts.stop()
	s.finish(sig, timeout)
}

// leaveOn stops the container when this process is told to end: the host or the
// session does, or the service that this is the main process of. For its restart
// policy it has not been stopped: `start --boot` starts it again.
func (s *supervisor) leaveOn(told <-chan os.Signal) {
	select {
	case <-s.down.over:
	case <-told:
		s.restarts.leave()
		seconds := s.c.Life.StopSeconds()
		s.finish(0, &seconds)
	}
}

// finish sends the signal, or with 0 the container's own, and after the timeout
// SIGKILL.
func (s *supervisor) finish(sig syscall.Signal, timeout *int) {
	if sig == 0 {
		sig = container.StopSignal(s.c.Life.StopSignal)
	}
	_ = s.first.signal(sig) // between two starts there is nothing to signal
	s.bounds.thaw()
	var kill <-chan time.Time
	if timeout != nil && *timeout >= 0 {
		t := time.NewTimer(time.Duration(*timeout) * time.Second)
		defer t.Stop()
		kill = t.C
	}
	select {
	case <-s.down.over:
	case <-kill:
		if sig != unix.SIGKILL { // which has been sent, and told of
			_ = s.first.signal(unix.SIGKILL)
		}
		s.bounds.kill()
		<-s.down.over
	}
}

// update applies what an update has written to the record.
func (s *supervisor) update() error {
	c, err := s.store.Load(s.id)
	if err != nil {
		return err
	}
	if err := s.bounds.change(c.Limits.Cgroup); err != nil {
		return fmt.Errorf("Cannot update container %s: %w", s.id, err)
	}
	s.restarts.change(c.Life.Restart)
	return nil
}

// birth attaches the client that launched the container, and lets the process run.
// It reports on born whether that runs, and returns when the client has left.
func (s *supervisor) birth(conn *socket.Conn, req control.Request, files []*os.File, born chan<- error) {
	defer conn.Close()
	release := func() (err error) {
		guests := s.welcome()
		defer func() { guests.start(err) }()
		if a := req.Attach; a != nil {
			s.first.resize(a.Rows, a.Cols)
		}
		s.book.arrived()
		err = s.release()
		if err != nil {
			s.book.left()
			var se *control.StartError
			if errors.As(err, &se) {
				s.book.recordFailure(se) // before anybody who was told can look
			}
			_ = reply(conn, err)
		}
		born <- err
		return err
	}
	if req.Attach == nil {
		wire.CloseFiles(files)
		if release() == nil {
			init, _ := s.first.process()
			_ = conn.Send(control.Reply{Event: control.EventStarted, Pid: init.HostPid})
		}
		return
	}
	s.audience.attach(conn, req.Attach, files, release)
}
