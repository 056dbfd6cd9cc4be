// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/container/control"
	"coracle/pkg/ns"
)

// first is the container's first process: the one that runs now. At each start of
// the container another takes its place.
type first struct {
	book *ledger

	mu   sync.Mutex
	init *ns.Process // nil while nothing has run
	spec *specs.Spec // for those that join
	io   *streams
	next *ending // of the process that runs, or of the one that is started next
}

// ending is the end of one process that another follows. The last one's is the
// supervisor's own.
type ending struct {
	died func()        // writes down the event of the last process' end, once the state says so; nil: it is written, or there was none
	over chan struct{} // closed when the process has ended
	code int           // then its exit code
}

func newEnding() *ending { return &ending{over: make(chan struct{})} }

// become is a start of the container.
func (f *first) become(init *ns.Process, spec *specs.Spec, io *streams) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.io != nil {
		io.inherit(f.io)
	}
	f.init, f.spec, f.io = init, spec, io
}

// succeeded tells who waits that the process has ended with code, and that another
// is to follow.
func (f *first) succeeded(code int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next.code = code
	close(f.next.over)
	f.next = newEnding()
}

// end is where the end of the process that runs is waited for, or of the next one
// while none does.
func (f *first) end() *ending {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next
}

// session is what a client of the process attaches to, and the process's end.
func (f *first) session() (*streams, *ending) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.io, f.next
}

// process is the one that runs, or ran last, and its spec.
func (f *first) process() (*ns.Process, *specs.Spec) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.init, f.spec
}

// running returns the process, and an error while there is none.
func (f *first) running() (*ns.Process, error) {
	init, _ := f.process()
	switch {
	case f.book.isRestarting():
		return nil, fmt.Errorf("Container %s is restarting, wait until the container is running", f.book.id())
	case init == nil:
		return nil, f.notRunning()
	}
	return init, nil
}

func (f *first) notRunning() error {
	return control.NewStartError(1, fmt.Errorf("container %s is not running", f.book.id()))
}

// unlessEnded is err, or that init is not there any more, which then is its cause.
func (f *first) unlessEnded(init *ns.Process, err error) error {
	if err != nil && init != nil && errors.Is(init.Process.Signal(syscall.Signal(0)), os.ErrProcessDone) {
		return f.notRunning()
	}
	return err
}

// signal reaches the process.
func (f *first) signal(sig syscall.Signal) error {
	init, _ := f.process()
	if init == nil || init.Process.Signal(sig) != nil {
		return f.notRunning()
	}
	f.book.event("kill", map[string]string{"signal": strconv.Itoa(int(sig))})
	return nil
}

// root opens the root directory that the process sees, with all that is mounted
// there.
func (f *first) root() (*os.File, error) {
	init, err := f.running()
	if err != nil {
		return nil, err
	}
	root, err := os.Open(fmt.Sprintf("/proc/%d/root", init.HostPid))
	return root, f.unlessEnded(init, err)
}

// resize gives the process's terminal, if it has one, a size. rows 0 is none.
func (f *first) resize(rows, cols uint16) {
	if io, _ := f.session(); io.pty != nil && rows > 0 {
		_ = unix.IoctlSetWinsize(int(io.pty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	}
}

// discard ends a process that is not to run, and its streams.
func (f *first) discard() {
	init, _ := f.process()
	if init == nil {
		return
	}
	_ = init.Process.Kill()
	_, _ = init.Wait()
	f.drain()
}

// drain waits until the output of a process that has ended has been carried.
func (f *first) drain() {
	io, _ := f.session()
	io.drain()
}

func exitCode(ws syscall.WaitStatus, err error) int {
	switch {
	case err != nil:
		return 255
	case ws.Signaled():
		return 128 + int(ws.Signal())
	default:
		return ws.ExitStatus()
	}
}
