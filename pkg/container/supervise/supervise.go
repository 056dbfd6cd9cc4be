// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"coracle/pkg/box"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/ids"
	"coracle/pkg/ns"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
	"coracle/pkg/trace"
	"coracle/pkg/wire"
	"coracle/pkg/wire/socket"
)

// birthFD is the descriptor of the connection that a supervisor is born with.
const birthFD = 3

// Main is the supervise stage. Its arguments are the root, the run directory
// and the container's ID. It returns the exit code of the process.
func Main() int {
	args, err := ns.Begin()
	if err != nil {
		return lastWords(err)
	}
	// What the container is sent goes through the control socket; the
	// supervisor itself only dies of SIGKILL.
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGPIPE)
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	conn, err := socket.FromFile(os.NewFile(birthFD, "birth"))
	if err != nil || len(args) != 3 {
		fmt.Fprintln(os.Stderr, "supervise: not started by coracle:", err)
		return 1
	}
	s := &supervisor{
		store: container.NewStore(state.Dirs{Root: args[0], Run: args[1]}),
		id:    args[2],
		down:  newEnding(),
		term:  told,

		endChecks: func() {},
	}
	if err := s.live(conn); err != nil {
		fmt.Fprintln(os.Stderr, "supervise:", err)
		return 1
	}
	return s.down.code // for a service manager that has this process as its service
}

// lastWords tells who has spawned this process why it cannot be a supervisor.
func lastWords(err error) int {
	if conn, cerr := socket.FromFile(os.NewFile(birthFD, "birth")); cerr == nil {
		_ = reply(conn, control.NewStartError(box.NotStarted, fmt.Errorf("start supervisor: %w", err)))
		conn.Close()
	}
	return 1
}

// supervisor is one container's life. What goes on meanwhile is done by its parts.
type supervisor struct {
	store *container.Store
	id    string
	c     *container.Container // as it was read at the start
	maps  ids.Maps
	lock  *state.Lock
	log   logSink // nil with the log driver none
	box   *box.Box

	book     *ledger
	first    *first
	restarts *restarts
	bounds   *bounds
	nets     *networks
	mounts   *mounts
	sessions *sessions
	audience *audience
	lodgers  *lodgers // beside the process that runs, or nil
	server   server

	term      <-chan os.Signal   // that this process is to end
	endChecks context.CancelFunc // of the health checks of the process that runs
	down      *ending            // of the container, for good
}

// live is the whole life, in order:
//
//  1. read the request and take the container's lock
//  2. mount the root file system, connect the network, prepare the volumes
//  3. start the process, and again as the restart policy says
//  4. record the end, remove the container with --rm, tell who waits
func (s *supervisor) live(conn *socket.Conn) error {
	var req control.Request
	files, err := conn.Receive(&req)
	if err != nil {
		return fmt.Errorf("read start request: %w", err)
	}
	if req.Op != control.OpStart || req.Maps == nil {
		return fmt.Errorf("read start request: unexpected %q", req.Op)
	}
	ready := sayBusy(conn)
	defer ready()
	s.maps = *req.Maps
	o := opening{tree: req.Cgroup, shared: req.Shared}
	if o.netns, err = req.TakeShared(&files); err == nil {
		o.listening, err = req.TakeListening(&files)
	}
	if err == nil {
		err = s.open(o)
	}
	wire.CloseFiles(o.listening)
	if err != nil {
		wire.CloseFiles(files)
		return s.fail(conn, err)
	}
	trace.Mark("listens for clients")
	if err := s.start(); err != nil {
		wire.CloseFiles(files)
		return s.fail(conn, err)
	}
	trace.Mark("process is ready")
	born := make(chan error, 1)
	s.server.talks.Go(func() { s.birth(conn, req, files, born) })
	// The process runs once the first client is attached, so that it misses
	// nothing.
	err = <-born
	ready()
	if err != nil {
		return s.fail(nil, err)
	}
	trace.Mark("process runs")
	go s.server.serve()
	go s.leaveOn(s.term)
	s.down.code = s.outlive()
	trace.Mark("process has ended")
	s.end()
	trace.Mark("tidied up")
	return nil
}

// takeOver is how long a new supervisor waits for the last one's end.
const takeOver = 10 * time.Second

// opening is what comes with the request to start.
type opening struct {
	tree      string     // the delegated cgroup, or ""
	listening []*os.File // sockets that were handed over to publish ports with
	shared    *control.SharedNet
	netns     *os.File // of a shared network, or nil
}

// open takes the container and makes its surroundings.
func (s *supervisor) open(o opening) (err error) {
	if s.lock, err = s.take(); err != nil {
		return err
	}
	trace.Mark("took the container")
	if s.c, err = s.store.Load(s.id); err != nil {
		return err
	}
	if s.book, err = openLedger(s.store, s.c); err != nil {
		return err
	}
	if err := logTo(s.c.Dir().SupervisorLog()); err != nil {
		return err
	}
	s.first = &first{book: s.book, next: newEnding()}
	s.restarts = newRestarts(s.c.Life.Restart)
	s.bounds = &bounds{book: s.book, first: s.first, ended: s.down.over, limits: s.c.Limits.Cgroup}
	if err := s.bounds.open(o.tree); err != nil {
		return err
	}
	if s.log, err = openLog(s.c); err != nil {
		return err
	}
	if err := s.openBox(o); err != nil {
		return err
	}
	trace.Mark("opened the box")
	s.book.prepare(func(st *container.State) { st.Networks, st.Ports = s.box.Places(), s.box.Published() })
	s.mounts = &mounts{volumes: container.Volumes(s.store.Dirs()), c: s.c, run: s.store.Dirs().ContainerRun(s.id)}
	s.sessions = &sessions{book: s.book, first: s.first, with: s.c.Process, maps: s.maps, box: s.box}
	s.audience = &audience{book: s.book, first: s.first, down: s.down, kill: s.kill}
	s.server.ops = s.operations()
	s.server.ctl, err = control.Listen(s.store.Dirs().ContainerRun(s.id))
	return err
}

// take takes the container. A supervisor that was killed is seen as dead before the
// kernel has let its lock go; one that runs the container was faster than this.
func (s *supervisor) take() (*state.Lock, error) {
	const look = 50 * time.Millisecond
	for end := time.Now().Add(takeOver); ; {
		ctx, cancel := context.WithTimeout(context.Background(), look)
		lock, err := state.Acquire(ctx, s.store.Dirs().Container(s.id).Lock(), state.Exclusive)
		cancel()
		if !errors.Is(err, state.ErrLocked) || time.Now().After(end) {
			return lock, err
		}
		if now, lerr := s.store.Load(s.id); lerr == nil && now.State.IsRunning() && !now.State.Supervisor.Ending() {
			return nil, fmt.Errorf("container %s is already running", s.id)
		}
	}
}

// openBox mounts the root file system and connects the network.
func (s *supervisor) openBox(o opening) (err error) {
	if err := s.c.OwnRoot(); err != nil {
		return err
	}
	s.nets = &networks{book: s.book, c: s.c, shared: o.shared}
	plan, err := s.nets.config(o)
	if err != nil {
		return err
	}
	s.box, err = box.Open(box.Config{
		Rootfs:     s.c.Rootfs(),
		Hostname:   s.c.Process.Hostname,
		Domainname: s.c.Process.Domainname,
		Files:      s.nets.files(),
		ReadyFiles: o.shared != nil,
		Reap:       s.c.Life.Init && s.c.Safety.PIDOf == "", // else there is an init
		Network:    plan,
		Cgroup:     s.bounds.group,
	})
	s.nets.box = s.box
	return err
}

// logTo makes a file the standard output and error of this process.
func logTo(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("open supervisor's log: %w", err)
	}
	defer f.Close()
	for _, fd := range []int{1, 2} {
		if err := syscall.Dup3(int(f.Fd()), fd, 0); err != nil {
			return fmt.Errorf("open supervisor's log: %w", os.NewSyscallError("dup3", err))
		}
	}
	return nil
}

// fail records that the container did not start and tells the client, if it
// was not told yet.
func (s *supervisor) fail(conn *socket.Conn, err error) error {
	var se *control.StartError
	if !errors.As(err, &se) {
		se = control.NewStartError(box.NotStarted, err)
	}
	if s.first != nil {
		s.first.discard()
	}
	if s.box != nil {
		_ = s.box.Close()
	}
	if s.bounds != nil {
		s.bounds.close()
	}
	if s.book != nil {
		s.book.recordFailure(se)
		defer s.dispose()()
	}
	if conn != nil {
		return conn.Send(control.Reply{Event: control.EventError, Code: se.Code, Error: se.Message, Hint: se.Hint()})
	}
	s.server.talks.Wait()
	return nil
}

// end records the end, gives everything back, and tells who waits.
func (s *supervisor) end() {
	s.server.ctl.Close()
	_ = s.box.Unpublish() // the rest ends with this process, after the clients know
	if !s.c.Life.AutoRemove {
		if err := overlay.Settle(context.Background(), s.c.Rootfs()); err != nil {
			fmt.Fprintln(os.Stderr, "coracle:", err) // the supervisor's log
		}
	}
	oom, stopped := s.bounds.oomKilled(), s.restarts.isStopped()
	s.book.record(func(st *container.State) {
		st.Status, st.Pid, st.ExitCode, st.Ports = container.Exited, 0, s.down.code, nil
		st.OOMKilled = st.OOMKilled || oom
		st.Cgroup, st.Health, st.Stopped = "", nil, stopped || s.restarts.isLast()
		st.FinishedAt = time.Now().UTC()
	})
	if s.down.died != nil {
		s.down.died()
	}
	s.book.left()
	if stopped {
		s.book.event("stop", nil)
	}
	if s.log != nil {
		s.log.Close()
	}
	s.bounds.close()
	tidy := s.dispose()
	close(s.down.over)
	s.server.talks.Wait()
	tidy()
}

// dispose removes the container with --rm, and lets go of it otherwise. Those who
// wait for the end are told next, so the files of the container are left for the
// returned function: they may be many, and the disk busy.
func (s *supervisor) dispose() (tidy func()) {
	defer s.lock.Release()
	_ = os.RemoveAll(s.store.Dirs().ContainerRun(s.id))
	// The mount would keep the directory busy for a remove in this namespace.
	_ = syscall.Unmount(s.c.Dir().Rootfs(), syscall.MNT_DETACH)
	if !s.c.Life.AutoRemove {
		return func() {}
	}
	trash, err := s.store.DiscardLocked(s.id, s.c.Name)
	s.lock.Release()
	if err == nil {
		err = container.Volumes(s.store.Dirs()).RemoveAnonymous(context.Background(), s.c.VolumeNames())
	}
	sayNotRemoved(err)
	return func() {
		if trash != "" {
			sayNotRemoved(state.RemoveTree(trash))
		}
	}
}

// sayNotRemoved writes an error to the supervisor's log.
func sayNotRemoved(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "supervise: remove:", err)
	}
}
