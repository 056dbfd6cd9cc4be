// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/ns/seccomp"
	"coracle/pkg/trace"
	"coracle/pkg/wire"
)

// Process is a process in a container: set up and waiting, then running.
type Process struct {
	Process *os.Process
	HostPid int      // as the host's /proc shows it
	Console *os.File // master of the process's terminal, the caller's to close
	// Listener is where the calls arrive that the filter hands over
	// (seccomp_unotify(2)), the caller's to serve and to close; nil when it
	// hands over none.
	Listener *os.File

	sync     *os.File
	single   bool
	filter   []byte
	notifies bool
	foreign  bool // started by another process, perhaps in another user namespace

	closeAbstract bool

	ended chan struct{} // closed when the process has been reaped; nil: nobody asks
}

func compile(p *specs.LinuxSeccomp) ([]byte, error) {
	prog, err := seccomp.Compile(p)
	if err != nil {
		return nil, fmt.Errorf("compile seccomp profile: %w", err)
	}
	size := len(prog) * int(unsafe.Sizeof(unix.SockFilter{}))
	return unsafe.Slice((*byte)(unsafe.Pointer(&prog[0])), size), nil
}

// launch forks the stage, configures it and waits until it is ready.
func (i *Process) launch(s stage, cfg Config, mounted func(int) ([]byte, error)) (err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	i.sync = os.NewFile(uintptr(pair[0]), "sync")
	theirs := os.NewFile(uintptr(pair[1]), "sync")
	i.Process, err = s.fork(theirs)
	theirs.Close()
	if err != nil {
		i.sync.Close()
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	if s.maps != nil {
		err = s.maps.Give(i.Process.Pid)
	}
	if err == nil {
		err = i.configure(cfg, mounted)
	}
	if err != nil {
		i.Abandon()
	}
	return err
}

// Abandon kills and reaps a process that is not to run.
func (i *Process) Abandon() {
	i.sync.Close()
	for _, f := range []*os.File{i.Console, i.Listener} {
		if f != nil {
			f.Close()
		}
	}
	_ = i.Process.Kill()
	_, _ = i.Wait()
}

func (i *Process) configure(cfg Config, mounted func(int) ([]byte, error)) error {
	trace.Mark("forked the stage")
	cfg.Trace = trace.On()
	err := wire.Send(i.sync, cfg)
	if errors.Is(err, unix.EPIPE) {
		return &diedError{"configure container"}
	}
	if err != nil {
		return fmt.Errorf("configure container: %w", err)
	}
	if _, err := i.answer(); err != nil || !cfg.Pause {
		return err
	}
	state, err := mounted(i.Process.Pid)
	if err != nil {
		return err
	}
	if err := wire.Send(i.sync, Resume{State: state}); err != nil {
		return fmt.Errorf("configure container: %w", err)
	}
	_, err = i.answer()
	return err
}

func (i *Process) answer() (Answer, error) {
	var a Answer
	files, err := wire.Receive(i.sync, &a)
	if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) {
		return a, &diedError{"set up container"}
	}
	if err != nil {
		return a, fmt.Errorf("set up container: %w", err)
	}
	var file *os.File
	if len(files) > 0 {
		file = files[0] // there is at most one
		wire.CloseFiles(files[1:])
	}
	if a.Listener {
		i.Listener = file
		return i.answer()
	}
	trace.Report(StageInit, a.Trace)
	i.Console, i.HostPid = file, a.HostPid
	return a, a.err()
}

// Release lets the process execute its program. The error is an *ExecError when
// that was not possible.
func (i *Process) Release() error {
	defer i.sync.Close()
	return Release(i.sync)
}

// The words that let a stage go on: at once, or when somebody says so at its
// listener.
const (
	WordRelease = 1
	WordPark    = 2
)

// Park lets the process wait for its word at the listener, also when this
// process is gone.
func (i *Process) Park() error {
	defer i.sync.Close()
	if _, err := i.sync.Write([]byte{WordPark}); err != nil {
		return fmt.Errorf("park container: %w", err)
	}
	return nil
}

// Release gives a process its word by a connection to it, and is
// [Process.Release] but for that.
func Release(conn wire.Socket) error {
	if _, err := conn.Write([]byte{WordRelease}); err != nil {
		return fmt.Errorf("release container: %w", err)
	}
	var a Answer
	files, err := wire.Receive(conn, &a)
	wire.CloseFiles(files)
	switch {
	case errors.Is(err, io.EOF):
		return nil // the descriptor was closed by execve
	case err != nil:
		return fmt.Errorf("release container: %w", err)
	}
	return a.err()
}

// Wait reaps the process.
func (i *Process) Wait() (syscall.WaitStatus, error) {
	st, err := i.Process.Wait()
	if i.ended != nil {
		close(i.ended)
		i.ended = nil
	}
	if err != nil {
		return 0, err
	}
	ws, ok := st.Sys().(syscall.WaitStatus)
	if !ok {
		return 0, errors.New("wait for process: unexpected status")
	}
	return ws, nil
}
