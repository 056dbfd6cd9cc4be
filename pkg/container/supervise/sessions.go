// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/box"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/descriptor"
	"coracle/pkg/ids"
	"coracle/pkg/ns"
	"coracle/pkg/oci/spec"
	"coracle/pkg/state"
	"coracle/pkg/wire"
	"coracle/pkg/wire/socket"
)

// sessions are the processes beside the first: those of exec, and of checks.
type sessions struct {
	book  *ledger
	first *first
	with  container.Process // as the first was asked for
	maps  ids.Maps
	box   surroundings
	notes notes
}

// surroundings is what of a box more processes are started in: see [box.Box].
type surroundings interface {
	Rootfs() string
	Exec(first *ns.Process, s *specs.Spec, p *specs.Process, io box.Stdio) (*ns.Process, error)
}

// exec runs another process in the container and tells the client how it
// ends. Its streams go to the client directly: nothing of them passes here.
func (s *sessions) exec(conn *socket.Conn, o *control.ExecOptions) {
	noted, err := s.note(o)
	var p *ns.Process
	var init *ns.Process
	if err == nil {
		init, err = s.first.running()
	}
	if err != nil {
		err = control.NewStartError(1, err)
	} else {
		p, err = s.startExec(conn, init, o)
	}
	if err = s.first.unlessEnded(init, err); err != nil {
		var se *control.StartError
		if !errors.As(err, &se) {
			se = control.NewStartError(box.NotExecutable, err)
		}
		noted.ended(se.Code)
		_ = conn.Send(control.Reply{Event: control.EventError, Code: se.Code, Error: se.Message, Hint: se.Hint()})
		return
	}
	id := map[string]string{"execID": noted.id}
	if noted.id == "" { // who asks others to start it has said so before
		id["execID"] = state.NewID()
		s.book.event("exec_create: "+strings.Join(o.Args, " "), id)
	}
	s.book.event("exec_start: "+strings.Join(o.Args, " "), id)
	noted.runs(p)
	_ = conn.Send(control.Reply{Event: control.EventStarted, Pid: p.HostPid})
	go s.listen(conn, p, maps.Clone(id))
	status, err := p.Wait()
	noted.ended(exitCode(status, err))
	if p.Console != nil {
		p.Console.Close()
	}
	id["exitCode"] = strconv.Itoa(exitCode(status, err))
	s.book.event("exec_die", id)
	_ = conn.Send(control.Reply{Event: control.EventExit, Code: exitCode(status, err)})
}

// listen takes what the client of a process says until it leaves.
func (s *sessions) listen(conn *socket.Conn, p *ns.Process, id map[string]string) {
	for {
		var req control.Request
		files, err := conn.Receive(&req)
		wire.CloseFiles(files)
		if err != nil {
			if p.Console != nil {
				discard(p.Console)
			}
			return
		}
		switch req.Op {
		case control.OpSignal:
			_ = p.Process.Signal(unix.Signal(req.Signal))
		case control.OpDetach:
			s.book.event("exec_detach", id)
		}
	}
}

// discard reads a terminal that its client has left, so that who writes to it
// goes on. The client may have made the description that we share non-blocking.
func discard(console *os.File) {
	f, err := descriptor.Pollable(console) // and so Go waits for it without a thread
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = io.Copy(io.Discard, f) // EIO is its end
}

func (s *sessions) startExec(conn *socket.Conn, init *ns.Process, o *control.ExecOptions) (*ns.Process, error) {
	if o == nil || len(o.Args) == 0 {
		return nil, errors.New("exec: no command specified")
	}
	pipes, err := openExecPipes(o)
	if err != nil {
		return nil, err
	}
	p, err := s.join(init, o, box.Stdio{In: pipes.child[0], Out: pipes.child[1], Err: pipes.child[2]})
	wire.CloseFiles(pipes.child[:])
	if err != nil {
		wire.CloseFiles(pipes.ours)
		return nil, err
	}
	ours := pipes.ours
	if o.Tty {
		ours = []*os.File{p.Console}
		if o.Rows > 0 {
			_ = unix.IoctlSetWinsize(int(p.Console.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: o.Rows, Col: o.Cols})
		}
	}
	err = conn.Send(control.Reply{Event: control.EventAttached}, ours...)
	if !o.Tty {
		wire.CloseFiles(ours)
	}
	if err == nil {
		err = p.Release()
	}
	if err != nil {
		_ = p.Process.Kill()
		_, _ = p.Wait()
		return nil, control.NewStartError(box.ExitCode(err), err)
	}
	return p, nil
}

// join sets another process up in the container and leaves it right before its
// execve.
func (s *sessions) join(init *ns.Process, o *control.ExecOptions, io box.Stdio) (*ns.Process, error) {
	_, first := s.first.process()
	proc, err := s.process(first.Process, o)
	if err != nil {
		return nil, err
	}
	return s.box.Exec(init, first, proc, io)
}

// process is the first process's with what was asked for in place.
func (s *sessions) process(first *specs.Process, o *control.ExecOptions) (*specs.Process, error) {
	proc := *first
	proc.Args, proc.Terminal, proc.ConsoleSize = o.Args, o.Tty, nil
	proc.NoNewPrivileges = proc.NoNewPrivileges || o.NoNewPrivs
	if o.Cwd != "" {
		if !strings.HasPrefix(o.Cwd, "/") {
			return nil, control.NewStartError(box.NotExecutable, fmt.Errorf("Cwd must be an absolute path"))
		}
		proc.Cwd = o.Cwd
	}
	p := s.with
	p.Tty = o.Tty
	home := homeIn(first.Env)
	if o.User != "" {
		user, userHome, err := ids.ResolveUser(s.box.Rootfs(), o.User, p.GroupAdd)
		if err != nil {
			return nil, err
		}
		home = userHome
		proc.User = specs.User{UID: user.UID, GID: user.GID, AdditionalGids: user.AdditionalGIDs}
	}
	proc.Env = spec.MergeEnv(environment(p, home), o.Env...)
	if o.Privileged {
		all, err := spec.Capabilities(nil, nil, true)
		if err != nil {
			return nil, err
		}
		proc.Capabilities = all
	}
	return &proc, nil
}

// homeIn is the HOME of an environment, or "/".
func homeIn(env []string) string {
	for _, kv := range env {
		if home, ok := strings.CutPrefix(kv, "HOME="); ok {
			return home
		}
	}
	return "/"
}

type execPipes struct {
	child [3]*os.File
	ours  []*os.File // stdout, stderr, and stdin when wanted
}

func openExecPipes(o *control.ExecOptions) (p execPipes, err error) {
	defer func() {
		if err != nil {
			wire.CloseFiles(append(p.ours, p.child[:]...))
		}
	}()
	if o.Tty {
		return p, nil
	}
	if o.Detach { // nobody will read what it writes, and it should not die of that
		for i := range p.child {
			if p.child[i], err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
				return p, err
			}
		}
		return p, nil
	}
	for _, i := range []int{1, 2} {
		var ours *os.File
		if ours, p.child[i], err = os.Pipe(); err != nil {
			return p, err
		}
		p.ours = append(p.ours, ours)
	}
	if !o.Stdin {
		p.child[0], err = os.Open(os.DevNull)
		return p, err
	}
	var ours *os.File
	if p.child[0], ours, err = os.Pipe(); err != nil {
		return p, err
	}
	p.ours = append(p.ours, ours)
	return p, nil
}
