// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"coracle/internal/testutil"
	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/state"
)

// TestNothingRuns asks for everything that needs a process, before there is one and
// between two of them.
func TestNothingRuns(t *testing.T) {
	s := alone(t, container.Record{})
	for _, status := range []container.Status{container.Running, container.Restarting} {
		want := "is not running"
		if status == container.Restarting {
			want = "is restarting, wait until the container is running"
		}
		s.book.prepare(func(st *container.State) { st.Status = status })
		for _, req := range []control.Request{
			{Op: control.OpExec, Exec: &control.ExecOptions{Args: []string{"id"}}},
			{Op: control.OpPause},
			{Op: control.OpStat, Copy: &control.CopyOptions{Path: []byte("/")}},
		} {
			if r := s.ask(t, req); r.Event != control.EventError || r.Code != 1 || !strings.Contains(r.Error, want) {
				t.Errorf("%s while %s: %+v", req.Op, status, r)
			}
		}
	}
	s.book.prepare(func(st *container.State) { st.Status = container.Running })
	if r := s.ask(t, control.Request{Op: control.OpSignal, Signal: int(syscall.SIGHUP)}); !strings.Contains(r.Error, "is not running") {
		t.Errorf("signal: %+v", r)
	}
}

// TestRequestsWithoutWhatTheyNeed is what no command sends.
func TestRequestsWithoutWhatTheyNeed(t *testing.T) {
	s := alone(t, container.Record{})
	s.begin(t, "exec sleep 60")
	for _, req := range []control.Request{
		{}, {Op: "start"}, {Op: "mount"}, {Op: strings.Repeat("x", 1000)},
		{Op: control.OpExec}, {Op: control.OpExec, Exec: &control.ExecOptions{}},
		{Op: control.OpStat}, {Op: control.OpCopyIn}, {Op: control.OpCopyOut}, {Op: control.OpCopyOut, Copy: &control.CopyOptions{Path: []byte("/")}},
		{Op: control.OpConnect}, {Op: control.OpDisconnect}, {Op: control.OpUnpause}, {Op: control.OpPause},
		{Op: control.OpExec, Exec: &control.ExecOptions{Args: []string{"id"}, Cwd: "here"}},
		{Op: control.OpExec, Exec: &control.ExecOptions{Args: []string{"id"}, User: "nobody-has-this-name"}},
	} {
		if r := s.ask(t, req); r.Event != control.EventError || r.Error == "" {
			t.Errorf("%+v: %+v", req, r)
		}
	}
	if s.first.signal(0) != nil {
		t.Error("the container has ended of it")
	}
}

func TestSignal(t *testing.T) {
	for _, c := range []struct {
		stop string // the container's stop signal
		sig  syscall.Signal
		last bool // no policy starts it again
	}{
		{"", syscall.SIGUSR1, true},
		{"SIGUSR1", syscall.SIGUSR1, true},
		{"SIGUSR1", syscall.SIGUSR2, false},
		{"USR1", syscall.SIGKILL, true},
	} {
		s := alone(t, container.Record{Life: container.Life{StopSignal: c.stop, Restart: container.Restart{Name: "on-failure"}}})
		s.begin(t, "exec sleep 60")
		over := s.lives(t)
		if r := s.ask(t, control.Request{Op: control.OpSignal, Signal: int(c.sig)}); r.Event != control.EventDone {
			t.Errorf("%+v: %+v", c, r)
		}
		testutil.Eventually(t, "it has ended", func() bool { return happened(t, s.book, "die") })
		if !happened(t, s.book, "kill") || s.restarts.isLast() != c.last {
			t.Errorf("%+v: its last is %t, after %q", c, s.restarts.isLast(), actions(t, s.book))
		}
		if !c.last { // it waits for the next start, and is told to end for good
			testutil.Eventually(t, "another is to follow", s.book.isRestarting)
			if r := s.ask(t, control.Request{Op: control.OpSignal, Signal: int(syscall.SIGKILL)}); r.Event != control.EventDone {
				t.Errorf("%+v between two starts: %+v", c, r)
			}
		}
		within(t, "the end", over)
		if st := written(t, s.book); st.Status != container.Exited || st.ExitCode != 128+int(c.sig) || !st.Stopped {
			t.Errorf("%+v: %+v", c, st)
		}
	}
}

// TestStop has processes that end when they are asked to, and one that does not.
func TestStop(t *testing.T) {
	no, now := -1, 0
	for name, c := range map[string]struct {
		line string
		sig  syscall.Signal
		wait *int
		code int
	}{
		"at once":      {"exec sleep 60", 0, nil, 128 + int(syscall.SIGTERM)},
		"by its wish":  {"exec sleep 60", syscall.SIGINT, &no, 128 + int(syscall.SIGINT)},
		"stubborn":     {"trap '' TERM; echo on; while :; do sleep 0.1; done", 0, &now, 128 + int(syscall.SIGKILL)},
		"with a word":  {"trap 'exit 3' TERM; echo on; while :; do sleep 0.01; done", 0, &no, 3},
		"ended itself": {"exit 5", 0, &no, 5},
	} {
		s := alone(t, container.Record{Life: container.Life{Restart: container.Restart{Name: "always"}}})
		log := &memoryLog{text: map[string]string{}}
		s.log = log
		s.begin(t, c.line)
		if strings.HasPrefix(c.line, "trap") {
			testutil.Eventually(t, "it is ready", func() bool { return log.read("stdout") != "" })
		}
		over := s.lives(t)
		if name == "ended itself" {
			testutil.Eventually(t, "another is to follow", s.book.isRestarting)
		}
		if r := s.ask(t, control.Request{Op: control.OpStop, Signal: int(c.sig), Timeout: c.wait}); r.Event != control.EventDone {
			t.Errorf("%s: %+v", name, r)
		}
		within(t, "the end", over)
		st := written(t, s.book)
		if st.Status != container.Exited || st.ExitCode != c.code || !st.Stopped || st.Pid != 0 || st.FinishedAt.IsZero() {
			t.Errorf("%s: %+v", name, st)
		}
		if !happened(t, s.book, "stop") || !happened(t, s.book, "die") {
			t.Errorf("%s: events %q", name, actions(t, s.book))
		}
	}
}

// Who is told to end stops the container, which is wanted again after a boot.
func TestLeave(t *testing.T) {
	zero := 0
	for line, code := range map[string]int{"exec sleep 60": 128 + int(syscall.SIGTERM), "trap '' TERM; echo on; while :; do sleep 0.1; done": 128 + int(syscall.SIGKILL)} {
		s := alone(t, container.Record{Life: container.Life{Restart: container.Restart{Name: "unless-stopped"}, StopTimeout: &zero}})
		log := &memoryLog{text: map[string]string{}}
		s.log = log
		s.begin(t, line)
		if code == 128+int(syscall.SIGKILL) {
			testutil.Eventually(t, "it is ready", func() bool { return log.read("stdout") != "" })
		} else {
			ten := 10
			s.c.Life.StopTimeout = &ten
		}
		over := s.lives(t)
		told := make(chan os.Signal, 1)
		told <- syscall.SIGTERM
		s.leaveOn(told)
		within(t, "the end", over)
		st := written(t, s.book)
		if st.Status != container.Exited || st.ExitCode != code || st.Stopped {
			t.Errorf("%s: %+v", line, st)
		}
		c := &container.Container{Record: s.c.Record}
		if c.State = st; st.StartedAt.IsZero() {
			c.State.StartedAt = st.FinishedAt
		}
		if !c.WantedAfterBoot() {
			t.Errorf("%s: not wanted after a boot", line)
		}
		s.leaveOn(nil) // it is over already
	}
}

func TestStopOfThePaused(t *testing.T) {
	s := alone(t, container.Record{})
	s.bounds.group = drawnGroup(t, "")
	log := &memoryLog{text: map[string]string{}}
	s.log = log
	s.begin(t, "trap '' TERM; echo on; while :; do sleep 0.1; done") // as what is frozen, it does not end of it
	testutil.Eventually(t, "it is ready", func() bool { return log.read("stdout") != "" })
	over := s.lives(t)
	if r := s.ask(t, control.Request{Op: control.OpPause}); r.Event != control.EventDone {
		t.Fatalf("pause: %+v", r)
	}
	if r := s.ask(t, control.Request{Op: control.OpExec, Exec: &control.ExecOptions{Args: []string{"id"}}}); !strings.HasSuffix(r.Error, "is paused, unpause the container before exec") {
		t.Errorf("exec: %+v", r)
	}
	client := s.talkTo(t, control.Request{Op: control.OpStop})
	testutil.Eventually(t, "it goes on", func() bool { return happened(t, s.book, "unpause") })
	_ = s.first.signal(syscall.SIGKILL)
	hear(t, client)
	within(t, "the end", over)
}

// TestWaits has one client that waits for the process, and one for the container.
func TestWaits(t *testing.T) {
	s := alone(t, container.Record{Life: container.Life{Restart: container.Restart{Name: "always"}}})
	s.begin(t, "exec sleep 60")
	over := s.lives(t)
	process, down := s.talkTo(t, control.Request{Op: control.OpWait}), s.talkTo(t, control.Request{Op: control.OpWaitDown})
	init, _ := s.first.process()
	waits := s.first.end()
	_ = init.Process.Signal(syscall.SIGINT)
	within(t, "the process has ended", waits.over)
	if waits.code != 130 {
		t.Errorf("the process ended with %d", waits.code)
	}
	s.restarts.stop()
	within(t, "the end", over)
	for _, c := range []struct {
		what string
		r    control.Reply
	}{{"process", reply1(hear(t, process))}, {"container", reply1(hear(t, down))}} {
		if c.r.Event != control.EventExit || c.r.Code != 130 {
			t.Errorf("who waits for the %s hears %+v", c.what, c.r)
		}
	}
}

// reply1 is a reply without its files.
func reply1(r control.Reply, _ []*os.File) control.Reply { return r }

func TestUpdate(t *testing.T) {
	s := alone(t, container.Record{})
	s.bounds.group = drawnGroup(t, "pids")
	change := func(n int64) {
		_, err := s.store.Edit(t.Context(), s.id, func(r *container.Record) error {
			r.Limits.Cgroup, r.Life.Restart = cgroup.Limits{PidsLimit: n}, container.Restart{Name: "always"}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	change(42)
	if r := s.ask(t, control.Request{Op: control.OpUpdate}); r.Event != control.EventDone || holds(t, s.bounds.group, "pids.max") != "42" || !s.restarts.wanted(0, 0) {
		t.Errorf("%+v: %s processes", r, holds(t, s.bounds.group, "pids.max"))
	}
	if err := os.RemoveAll(s.bounds.group.Dir()); err != nil {
		t.Fatal(err)
	}
	change(43)
	if r := s.ask(t, control.Request{Op: control.OpUpdate}); !strings.HasPrefix(r.Error, "Cannot update container "+s.id) {
		t.Errorf("%+v", r)
	}
}

func TestAttach(t *testing.T) {
	s := alone(t, container.Record{Process: container.Process{OpenStdin: true, StdinOnce: true}})
	s.begin(t, "read line; echo $line; echo bad >&2; exit 7")
	over := s.lives(t)
	out, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	client := s.talkTo(t, control.Request{Op: control.OpAttach, Attach: &control.Attach{Stdin: true, Stdout: true}}, theirs)
	theirs.Close()
	r, files := hear(t, client)
	if r.Event != control.EventAttached || len(files) != 1 {
		t.Fatalf("%+v with %d files", r, len(files))
	}
	if r, _ := hear(t, client); r.Event != control.EventStarted {
		t.Errorf("%+v", r)
	}
	say(t, files[0], "hello\n")
	expect(t, out, "hello\n")
	if r, _ := hear(t, client); r.Event != control.EventExit || r.Code != 7 {
		t.Errorf("%+v", r)
	}
	// The pipe has ended, too, though the supervisor goes on.
	_ = out.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := out.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("the client's output after the end: %d bytes, %v", n, err)
	}
	within(t, "the end", over)
}

// TestDetach has a client that leaves with a word, one that leaves without, and one
// that sends signals.
func TestDetach(t *testing.T) {
	s := alone(t, container.Record{})
	s.begin(t, "exec sleep 60")
	over := s.lives(t)
	attach := func() (send func(control.Request), next func() control.Reply, leave func()) {
		client := s.talkTo(t, control.Request{Op: control.OpAttach})
		for _, want := range []string{control.EventAttached, control.EventStarted} {
			if r, _ := hear(t, client); r.Event != want {
				t.Fatalf("%+v", r)
			}
		}
		return func(r control.Request) {
			if err := client.Send(r); err != nil {
				t.Fatal(err)
			}
		}, func() control.Reply { return reply1(hear(t, client)) }, func() { client.Close() }
	}
	send, next, _ := attach()
	send(control.Request{Op: "whatever"}) // is passed over
	send(control.Request{Op: control.OpDetach})
	if r := next(); r.Event != control.EventDone || !happened(t, s.book, "detach") {
		t.Errorf("detach: %+v", r)
	}
	_, _, leave := attach()
	leave()
	testutil.Eventually(t, "nobody is attached", func() bool {
		io, _ := s.first.session()
		io.mu.Lock()
		defer io.mu.Unlock()
		return len(io.sinks) == 0
	})
	send, next, _ = attach()
	send(control.Request{Op: control.OpSignal, Signal: int(syscall.SIGTERM)})
	if r := next(); r.Event != control.EventExit || r.Code != 143 {
		t.Errorf("signal: %+v", r)
	}
	within(t, "the end", over)
}

// TestCopies goes through the process's root, which here is the host's.
func TestCopies(t *testing.T) {
	s := alone(t, container.Record{})
	s.begin(t, "exec sleep 60")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("text"), 0o640); err != nil {
		t.Fatal(err)
	}
	r := s.ask(t, control.Request{Op: control.OpStat, Copy: &control.CopyOptions{Path: []byte(dir + "/file")}})
	if r.Event != control.EventDone || r.Info == nil || r.Info.Size != 4 {
		t.Errorf("stat: %+v", r)
	}
	if r := s.ask(t, control.Request{Op: control.OpStat, Copy: &control.CopyOptions{Path: []byte(dir + "/none")}}); r.Event != control.EventDone || r.Info != nil {
		t.Errorf("stat of nothing: %+v", r)
	}
	archive, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	if r := s.ask(t, control.Request{Op: control.OpCopyOut, Copy: &control.CopyOptions{Path: []byte(dir), As: []byte("copy")}}, archive); r.Event != control.EventDone {
		t.Fatalf("out: %+v", r)
	}
	if _, err := archive.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	if r := s.ask(t, control.Request{Op: control.OpCopyIn, Copy: &control.CopyOptions{Path: []byte(to)}}, archive); r.Event != control.EventDone {
		t.Fatalf("in: %+v", r)
	}
	if text, err := os.ReadFile(to + "/copy/file"); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
	if r := s.ask(t, control.Request{Op: control.OpCopyOut, Copy: &control.CopyOptions{Path: []byte(dir + "/none")}}, archive); !r.Missing {
		t.Errorf("out of nothing: %+v", r)
	}
	none, err := os.Open(to + "/copy/file")
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	if r := s.ask(t, control.Request{Op: control.OpCopyIn, Copy: &control.CopyOptions{Path: []byte(to)}}, none); !r.NoArchive || r.Error == "" {
		t.Errorf("no archive: %+v", r)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if r := s.ask(t, control.Request{Op: control.OpCopyOut, Copy: &control.CopyOptions{Path: []byte(dir)}}, full); r.Event != control.EventLost || syscall.Errno(r.Code) != syscall.ENOSPC {
		t.Errorf("to a full disk: %+v", r)
	}
}

// TestEnd looks at what a container leaves: with --rm nothing.
func TestEnd(t *testing.T) {
	for _, remove := range []bool{false, true} {
		s := alone(t, container.Record{Name: "web", Life: container.Life{AutoRemove: remove, Restart: container.Restart{Name: "on-failure"}}})
		s.begin(t, "exit 0")
		within(t, "the end", s.lives(t))
		if s.down.code != 0 || happened(t, s.book, "destroy") != remove || happened(t, s.book, "stop") {
			t.Errorf("remove %t: code %d, events %q", remove, s.down.code, actions(t, s.book))
		}
		_, err := s.store.Load(s.id)
		var missing *container.NotFoundError
		if errors.As(err, &missing) != remove {
			t.Errorf("remove %t: %v", remove, err)
		}
		lock, err := state.Acquire(t.Context(), s.store.Dirs().Container(s.id).Lock(), state.Exclusive)
		if !remove && err != nil {
			t.Errorf("the container is held: %v", err)
		}
		lock.Release()
	}
}

func TestFailure(t *testing.T) {
	for _, c := range []struct {
		err       error
		code, ctr int // of the command, and the container's
		hint      bool
	}{
		{errors.New("mount: no"), 125, 128, false},
		{control.NewStartError(127, errors.New("not found")), 127, 127, false},
		{control.NewStartError(125, &freezerError{"pause", "it"}), 125, 128, true},
	} {
		s := alone(t, container.Record{})
		s.begin(t, "exec sleep 60")
		ours, client := pair(t)
		if err := s.fail(ours, c.err); err != nil {
			t.Fatal(err)
		}
		if r, _ := hear(t, client); r.Event != control.EventError || r.Code != c.code || r.Error != c.err.Error() || (r.Hint != "") != c.hint {
			t.Errorf("%v: %+v", c.err, r)
		}
		if st := written(t, s.book); st.Status != container.Created || st.ExitCode != c.ctr || st.Error != c.err.Error() || st.Pid != 0 {
			t.Errorf("%v: %+v", c.err, st)
		}
		if s.first.signal(0) == nil {
			t.Errorf("%v: its process is there", c.err)
		}
	}
}
