// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
)

// memoryLog is a log that is kept in memory.
type memoryLog struct {
	mu     sync.Mutex
	text   map[string]string
	closed []string
	full   bool
}

func (l *memoryLog) Stream(name string) io.WriteCloser { return &memoryStream{l, name} }
func (l *memoryLog) Close() error                      { return nil }

func (l *memoryLog) read(name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text[name]
}

type memoryStream struct {
	l    *memoryLog
	name string
}

func (s *memoryStream) Write(p []byte) (int, error) {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	if s.l.full {
		return 0, syscall.ENOSPC
	}
	s.l.text[s.name] += string(p)
	return len(p), nil
}

func (s *memoryStream) Close() error {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	s.l.closed = append(s.l.closed, s.name)
	return nil
}

// opened are streams that carry; the child's ends are the test's.
func opened(t *testing.T, p container.Process, log logSink) *streams {
	t.Helper()
	s, err := openStreams(p, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.closeChildEnds)
	s.run(nil)
	return s
}

// listener is an attached command: what it got of each output.
type listener struct {
	*sink
	out, err *os.File
	lost     chan error
}

func listen(t *testing.T, a control.Attach) *listener {
	t.Helper()
	k := &listener{lost: make(chan error, 4)}
	var theirs []*os.File
	for _, to := range []struct {
		wanted bool
		ours   **os.File
	}{{a.Stdout, &k.out}, {a.Stderr, &k.err}} {
		if !to.wanted {
			continue
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		*to.ours, theirs = r, append(theirs, w)
	}
	k.sink = newSink(&a, theirs)
	k.sink.lost = func(err error) { k.lost <- err }
	return k
}

func say(t *testing.T, f *os.File, text string) {
	t.Helper()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, f *os.File, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(f, got); err != nil || string(got) != text {
		t.Errorf("%q, %v, want %q", got, err, text)
	}
}

func TestOutputGoesToTheLogAndToAll(t *testing.T) {
	log := &memoryLog{text: map[string]string{}}
	s := opened(t, container.Process{}, log)
	both, one := listen(t, control.Attach{Stdout: true, Stderr: true}), listen(t, control.Attach{Stderr: true})
	for _, k := range []*listener{both, one} {
		if in := s.attach(k.sink, true); in != nil {
			t.Error("a process without input has some")
		}
	}
	say(t, s.childOut, "one")
	say(t, s.childErr, "two")
	expect(t, both.out, "one")
	expect(t, both.err, "two")
	expect(t, one.err, "two")
	s.detach(one.sink)
	say(t, s.childOut, "three")
	expect(t, both.out, "three")
	if rest, err := io.ReadAll(one.err); err != nil || len(rest) > 0 {
		t.Errorf("who is detached reads %q, %v", rest, err)
	}
	s.closeChildEnds()
	s.drain()
	if log.text["stdout"] != "onethree" || log.text["stderr"] != "two" || len(log.closed) != 2 {
		t.Errorf("the log has %q, closed are %q", log.text, log.closed)
	}
	s.drain() // again
}

func TestAFullDiskDoesNotStopTheOutput(t *testing.T) {
	s := opened(t, container.Process{}, &memoryLog{full: true})
	k := listen(t, control.Attach{Stdout: true})
	s.attach(k.sink, false)
	say(t, s.childOut, "heard")
	expect(t, k.out, "heard")
	s.closeChildEnds()
	s.drain()
}

func TestWhoDoesNotReadIsGivenUp(t *testing.T) {
	log := &memoryLog{text: map[string]string{}}
	s := opened(t, container.Process{}, log)
	stuck := listen(t, control.Attach{Stdout: true})
	s.attach(stuck.sink, false)
	much := strings.Repeat("x", 1<<20) // more than a pipe holds
	go func() { _, _ = s.childOut.WriteString(much) }()
	testutil.Eventually(t, "the pipe is full", func() bool {
		n, err := unix.IoctlGetInt(int(stuck.out.Fd()), unix.TIOCINQ)
		return err == nil && n >= 4096
	})
	s.detach(stuck.sink)
	testutil.Eventually(t, "the rest is logged", func() bool { return len(log.read("stdout")) == len(much) })
	s.closeChildEnds()
	s.drain()
}

func TestWhoGoesAwayIsTold(t *testing.T) {
	s := opened(t, container.Process{}, nil)
	k := listen(t, control.Attach{Stdout: true})
	s.attach(k.sink, false)
	k.out.Close()
	say(t, s.childOut, "to nobody")
	var lost *control.OutputError
	if err := <-k.lost; !errors.As(err, &lost) || lost.Stream != "/dev/stdout" || !errors.Is(lost.Err, syscall.EPIPE) {
		t.Errorf("told of %v", err)
	}
	if r := lostReply(lost); r.Event != control.EventLost || r.Stream != "/dev/stdout" || syscall.Errno(r.Code) != syscall.EPIPE {
		t.Errorf("the client hears %+v", r)
	}
	say(t, s.childOut, "again") // a second word is not lost a second time
	s.closeChildEnds()
	s.drain()
	if len(k.lost) > 0 {
		t.Error("told twice")
	}
}

// TestInput has a process whose input ends with its first client, and one whose
// input stays open.
func TestInput(t *testing.T) {
	for _, once := range []bool{true, false} {
		s := opened(t, container.Process{OpenStdin: true, StdinOnce: once}, nil)
		if in := s.attach(listen(t, control.Attach{}).sink, false); in != nil {
			t.Error("who wants no input has one")
		}
		in := s.attach(listen(t, control.Attach{Stdin: true}).sink, true)
		fd, err := unix.Dup(int(in.Fd())) // as it is sent
		if err != nil {
			t.Fatal(err)
		}
		client := os.NewFile(uintptr(fd), "stdin")
		s.stdinGiven()
		say(t, client, "typed")
		expect(t, s.childIn, "typed")
		client.Close()
		soon := time.Minute
		if !once { // nothing is to come
			soon = 50 * time.Millisecond
		}
		_ = s.childIn.SetReadDeadline(time.Now().Add(soon))
		_, err = s.childIn.Read(make([]byte, 1))
		if once && err != io.EOF || !once && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("once %t: after its client the process reads %v", once, err)
		}
		if again := s.attach(listen(t, control.Attach{Stdin: true}).sink, true); (again == nil) != once {
			t.Errorf("once %t: the next client has input %v", once, again)
		}
		s.closeChildEnds()
		s.drain()
	}
}

func TestTerminal(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, master.Fd(), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY)
	if errno != 0 {
		t.Skip("no terminals here: ", errno)
	}
	process := os.NewFile(fd, "terminal")
	log := &memoryLog{text: map[string]string{}}
	s, err := openStreams(container.Process{Tty: true}, log)
	if err != nil || s.childIn != nil || s.childOut != nil {
		t.Fatal("a terminal is made inside, but there are pipes: ", err)
	}
	s.run(master)
	f := &first{io: s}
	f.resize(0, 80) // is none
	f.resize(30, 100)
	if size, err := unix.IoctlGetWinsize(int(process.Fd()), unix.TIOCGWINSZ); err != nil || size.Row != 30 || size.Col != 100 {
		t.Errorf("size %+v, %v", size, err)
	}
	k := listen(t, control.Attach{Stdout: true})
	if s.attach(k.sink, false) != master {
		t.Error("a client is not given the terminal")
	}
	say(t, process, "drawn")
	expect(t, k.out, "drawn")
	process.Close()
	s.drain()
	if log.text["stdout"] != "drawn" {
		t.Errorf("the log has %q", log.text)
	}
}

// TestSinkTakesItsFiles counts the descriptors that come with a request to attach:
// too few, and too many.
func TestSinkTakesItsFiles(t *testing.T) {
	for n, a := range []*control.Attach{nil, {}, {Stdout: true}, {Stdout: true, Stderr: true}, {Stderr: true}} {
		for have := range 4 {
			var files []*os.File
			for range have {
				f, err := os.Open(os.DevNull)
				if err != nil {
					t.Fatal(err)
				}
				files = append(files, f)
			}
			k := newSink(a, files)
			wanted := 0
			if a != nil && a.Stdout {
				wanted++
			}
			if a != nil && a.Stderr {
				wanted++
			}
			kept := 0
			for _, f := range []*os.File{k.stdout, k.stderr} {
				if f != nil {
					kept++
					f.Close()
				}
			}
			if kept != min(wanted, have) {
				t.Errorf("request %d with %d files keeps %d", n, have, kept)
			}
			for _, f := range files[min(kept, have):] {
				if f.Close() == nil {
					t.Errorf("request %d with %d files leaves one open", n, have)
				}
			}
		}
	}
}
