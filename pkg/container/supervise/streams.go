// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"fmt"
	"os"
	"sync"
	"time"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/wire"
)

// streams carries the first process's output to the log and to every attached
// command, and hands its input out. One is made for each start.
type streams struct {
	tty, stdinOnce              bool
	childIn, childOut, childErr *os.File
	log                         logSink

	mu    sync.Mutex
	stdin *os.File // writing end of stdin, nil when closed or with a terminal
	pty   *os.File
	sinks map[*sink]bool
	pumps sync.WaitGroup
	outs  []*os.File // our ends of the output
}

// sink is where one attached command wants the output.
type sink struct {
	lost  func(error) // is told why no more output comes
	files []*os.File  // both, or nil in their places
	stays bool        // for the processes that follow, too

	mu             sync.Mutex // held while a write to it goes on
	stdout, stderr *os.File
}

// pumpBuffer is read at once from a process's output.
const pumpBuffer = 64 << 10

func openStreams(p container.Process, log logSink) (*streams, error) {
	io := &streams{tty: p.Tty, stdinOnce: p.StdinOnce, log: log, sinks: map[*sink]bool{}}
	if p.Tty {
		return io, nil // the terminal is made inside, and comes with the init
	}
	if err := io.openPipes(p.OpenStdin); err != nil {
		io.closeChildEnds()
		io.close()
		return nil, fmt.Errorf("open standard streams: %w", err)
	}
	return io, nil
}

func (io *streams) openPipes(openStdin bool) (err error) {
	if openStdin {
		io.childIn, io.stdin, err = os.Pipe()
	} else {
		io.childIn, err = os.Open(os.DevNull)
	}
	if err != nil {
		return err
	}
	for _, child := range []**os.File{&io.childOut, &io.childErr} {
		var ours *os.File
		if ours, *child, err = os.Pipe(); err != nil {
			return err
		}
		io.outs = append(io.outs, ours)
	}
	return nil
}

func (io *streams) closeChildEnds() {
	wire.CloseFiles([]*os.File{io.childIn, io.childOut, io.childErr})
	io.childIn, io.childOut, io.childErr = nil, nil, nil
}

func (io *streams) close() {
	wire.CloseFiles(append(io.outs, io.stdin, io.pty))
}

// run begins to carry output. console is the terminal's master, or nil.
func (io *streams) run(console *os.File) {
	if io.tty {
		io.pty = console
		io.pump(console, "stdout")
		return
	}
	io.pump(io.outs[0], "stdout")
	io.pump(io.outs[1], "stderr")
}

// pump copies one output until its end: the end of the last process that
// holds it, and with the first process of a pid namespace all of them end.
func (io *streams) pump(from *os.File, name string) {
	var entry writeCloser
	if io.log != nil {
		entry = io.log.Stream(name)
	}
	io.pumps.Add(1)
	go func() {
		defer io.pumps.Done()
		buf := make([]byte, pumpBuffer)
		for {
			n, err := from.Read(buf)
			if n > 0 {
				if entry != nil {
					// A full disk must not stop the container: the log has a gap.
					_, _ = entry.Write(buf[:n])
				}
				io.toSinks(name, buf[:n])
			}
			if err != nil { // EIO is a terminal's end
				break
			}
		}
		if entry != nil {
			_ = entry.Close()
		}
	}()
}

func (io *streams) toSinks(name string, data []byte) {
	io.mu.Lock()
	list := make([]*sink, 0, len(io.sinks))
	for s := range io.sinks {
		list = append(list, s)
	}
	io.mu.Unlock()
	for _, s := range list {
		if err := s.write(name, data); err != nil {
			io.detach(s)
			s.lost(err)
		}
	}
}

// write fails when the sink takes no more output.
func (s *sink) write(name string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	to := s.stdout
	if name == "stderr" {
		to = s.stderr
	}
	if to == nil {
		return nil
	}
	return control.WriteOutput(to, "/dev/"+name, data)
}

// attach adds a sink and returns the file that the command writes the
// process's input to, or nil. The file is the caller's to close.
func (io *streams) attach(s *sink, stdin bool) *os.File {
	io.mu.Lock()
	defer io.mu.Unlock()
	io.sinks[s] = true
	if io.pty != nil {
		return io.pty
	}
	if !stdin {
		return nil
	}
	return io.stdin
}

// inherit takes over the sinks that stay, of the process before.
func (io *streams) inherit(before *streams) {
	before.mu.Lock()
	defer before.mu.Unlock()
	io.mu.Lock()
	defer io.mu.Unlock()
	for s := range before.sinks {
		if s.stays {
			io.sinks[s] = true
			delete(before.sinks, s)
		}
	}
}

// stdinGiven forgets our end of stdin after the first client has it, so that
// the process sees the end of file when that client is done.
func (io *streams) stdinGiven() {
	io.mu.Lock()
	defer io.mu.Unlock()
	if io.stdinOnce && io.stdin != nil {
		io.stdin.Close()
		io.stdin = nil
	}
}

// detach takes a sink away; nothing is written to it afterwards, and its files are
// closed unless a write goes on. One that is stuck, for the reader of the pipe does
// not read, ends, and then they are.
func (io *streams) detach(s *sink) {
	io.mu.Lock()
	delete(io.sinks, s)
	io.mu.Unlock()
	for _, f := range s.files {
		if f != nil {
			_ = f.SetWriteDeadline(time.Unix(1, 0))
		}
	}
	if s.mu.TryLock() {
		s.closeLocked()
		return
	}
	go func() {
		s.mu.Lock()
		s.closeLocked()
	}()
}

// closeLocked closes the files of a sink, and lets go of it.
//
// Preconditions: its lock is held.
func (s *sink) closeLocked() {
	defer s.mu.Unlock()
	wire.CloseFiles([]*os.File{s.stdout, s.stderr})
	s.stdout, s.stderr = nil, nil
}

// drain waits until all output has been carried, and closes everything but
// the sinks.
func (io *streams) drain() {
	io.pumps.Wait()
	io.mu.Lock()
	defer io.mu.Unlock()
	io.close()
	io.outs, io.stdin, io.pty = nil, nil, nil
}
