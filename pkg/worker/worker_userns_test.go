// SPDX-License-Identifier: Apache-2.0

package worker_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"coracle/pkg/hint"
	"coracle/pkg/ns"
	"coracle/pkg/state"
	"coracle/pkg/worker"
)

// TestMain is the worker, too, and a caller of one who is going to be killed.
func TestMain(m *testing.M) {
	switch {
	case os.Args[0] == ns.StageWorker:
		os.Exit(worker.Main(echo, count, wait, fails, pass, die, deaf))
	case os.Getenv("CALLER") != "":
		_, err := wait.Call(context.Background(), state.Dirs{}, "", worker.With{Event: func(data json.RawMessage) { fmt.Println(string(data)) }})
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

type who struct {
	Text            string
	PID, UID, Group int
	Root            string
}

var echo = worker.Op[string, who]{Name: "echo", Do: func(_ context.Context, j *worker.Job, text string) (who, error) {
	return who{text, os.Getpid(), os.Getuid(), syscall.Getpgrp(), j.Dirs.Root}, nil
}}

var count = worker.Op[int, int]{Name: "count", Do: func(_ context.Context, j *worker.Job, n int) (int, error) {
	for i := range n {
		j.Event(map[string]int{"i": i})
	}
	return n, nil
}}

// wait waits for its end, and tells where it can be seen from outside.
var wait = worker.Op[string, string]{Name: "wait", Do: func(ctx context.Context, j *worker.Job, _ string) (string, error) {
	j.Event(outerPID())
	<-ctx.Done()
	return "tidied up", fmt.Errorf("wait: %w", ctx.Err())
}}

// deaf does not end when it is told to.
var deaf = worker.Op[string, string]{Name: "deaf", Do: func(context.Context, *worker.Job, string) (string, error) {
	time.Sleep(time.Hour)
	return "", nil
}}

var die = worker.Op[string, string]{Name: "die", Do: func(context.Context, *worker.Job, string) (string, error) {
	os.Exit(7)
	return "", nil
}}

// outerPID is the worker's in the pid namespace of /proc, its caller's.
func outerPID() int {
	name, err := os.Readlink("/proc/self")
	if err != nil {
		return -1
	}
	n, _ := strconv.Atoi(name)
	return n
}

type busyError struct {
	Name string `json:"name"`
	Pids []int  `json:"pids"`
}

func (e *busyError) Error() string { return "busy: " + e.Name }

type plain struct{}

func (plain) Error() string { return "plain" }

type secret struct{ err error }

func (s *secret) Error() string { return s.err.Error() }

var errSentinel = errors.New("sentinel")

var fails = worker.Op[string, int]{
	Name: "fails",
	Do: func(_ context.Context, _ *worker.Job, how string) (int, error) {
		switch how {
		case "typed":
			return 3, hint.With(fmt.Errorf("remove x: %w", &busyError{"x", []int{1, 2}}), "stop it")
		case "plain":
			return 0, errors.Join(plain{}, fmt.Errorf("and: %w", errSentinel))
		case "errno":
			return 0, &os.PathError{Op: "open", Path: "/x", Err: syscall.ENOENT}
		}
		return 0, &secret{errors.New("other")}
	},
}

// pass copies its first file to its second.
var pass = worker.Op[string, int64]{Name: "pass", Do: func(_ context.Context, j *worker.Job, _ string) (int64, error) {
	n, err := io.Copy(j.Files[1], j.Files[0])
	if err == nil {
		_, err = io.WriteString(j.Files[1], j.Files[1].Name())
	}
	return n, err
}}

func TestCallIsInside(t *testing.T) {
	got, err := echo.Call(t.Context(), state.Dirs{Root: "/r"}, "hello", worker.With{})
	if err != nil || got.Text != "hello" || got.Root != "/r" || got.PID != 1 || got.UID != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if got.Group == syscall.Getpgrp() {
		t.Error("the keyboard reaches it")
	}
}

func TestEventsInOrderBeforeTheAnswer(t *testing.T) {
	var list []int
	n, err := count.Call(t.Context(), state.Dirs{}, 500, worker.With{Event: func(data json.RawMessage) {
		var e struct{ I int }
		if err := json.Unmarshal(data, &e); err != nil {
			t.Error(err)
		}
		list = append(list, e.I)
	}})
	if err != nil || n != 500 || len(list) != n {
		t.Fatalf("%d of %d, %v", len(list), n, err)
	}
	for i, e := range list {
		if i != e {
			t.Fatalf("event %d is %d", i, e)
		}
	}
	if n, err := count.Call(t.Context(), state.Dirs{}, 5, worker.With{}); err != nil || n != 5 { // nobody listens
		t.Errorf("%d, %v", n, err)
	}
}

func TestErrorsComeBackAsTheyAre(t *testing.T) {
	call := func(how string) (int, error) { return fails.Call(t.Context(), state.Dirs{}, how, worker.With{}) }
	n, err := call("typed")
	var busy *busyError
	if !errors.As(err, &busy) || busy.Name != "x" || len(busy.Pids) != 2 || err.Error() != "remove x: busy: x" || hint.Of(err) != "stop it" || n != 3 {
		t.Errorf("typed: %d, %v, %+v, %q", n, err, busy, hint.Of(err))
	}
	if _, err := call("plain"); !errors.As(err, &plain{}) || !errors.Is(err, errSentinel) || errors.As(err, &busy) {
		t.Errorf("plain: %v", err)
	}
	if _, err := call("errno"); !errors.Is(err, os.ErrNotExist) || !errors.Is(err, syscall.ENOENT) || err.Error() != "open /x: no such file or directory" {
		t.Errorf("errno: %v", err)
	}
	var s *secret
	if _, err := call("other"); err == nil || errors.As(err, &s) || err.Error() != "other" || hint.Of(err) != "" {
		t.Errorf("other: %v", err)
	}
	unknown := worker.Op[string, string]{Name: "unknown"}
	if _, err := unknown.Call(t.Context(), state.Dirs{}, "", worker.With{}); err == nil || !strings.Contains(err.Error(), `no operation "unknown"`) {
		t.Errorf("unknown: %v", err)
	}
	wrong := worker.Op[int, who]{Name: "echo"}
	if _, err := wrong.Call(t.Context(), state.Dirs{}, 1, worker.With{}); err == nil || !strings.Contains(err.Error(), "read request echo") {
		t.Errorf("wrong: %v", err)
	}
}

func TestCancelLetsItTidyUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	got, err := wait.Call(ctx, state.Dirs{}, "", worker.With{Event: func(json.RawMessage) { cancel() }})
	if got != "tidied up" || !errors.Is(err, context.Canceled) || err.Error() != "wait: context canceled" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := wait.Call(ctx, state.Dirs{}, "", worker.With{}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := deaf.Call(ctx, state.Dirs{}, "", worker.With{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("deaf: %v", err)
	}
}

func TestDeathOfTheWorkerIsSaid(t *testing.T) {
	if _, err := die.Call(t.Context(), state.Dirs{}, "", worker.With{}); err == nil || !strings.Contains(err.Error(), "die: the worker ended without an answer: exit status 7") {
		t.Errorf("exit: %v", err)
	}
	_, err := wait.Call(t.Context(), state.Dirs{}, "", worker.With{Event: func(data json.RawMessage) {
		pid, err := strconv.Atoi(string(data))
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err != nil {
			t.Error(err)
		}
	}})
	if err == nil || !strings.Contains(err.Error(), "wait: the worker ended without an answer: signal: killed") {
		t.Errorf("killed: %v", err)
	}
}

func TestWorkerDiesWithItsCaller(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "CALLER=1")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("it did not run: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for end := time.Now().Add(10 * time.Second); alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it outlives its caller")
		}
	}
}

// alive reports whether a process runs: an orphan may stay a zombie for a while.
func alive(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, ok := strings.Cut(string(data), ") ")
	return err == nil && ok && !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

func TestDescriptorsGoAlong(t *testing.T) {
	in, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, sink, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := feed.WriteString("text, "); err != nil {
		t.Fatal(err)
	}
	feed.Close()
	named := os.NewFile(sink.Fd(), "the sink")
	n, err := pass.Call(t.Context(), state.Dirs{}, "", worker.With{Files: []*os.File{in, named}})
	if err != nil || n != 6 {
		t.Errorf("%d, %v", n, err)
	}
	if err := named.Close(); err != nil { // no copy is open any more
		t.Fatal(err)
	}
	if text, err := io.ReadAll(out); string(text) != "text, the sink" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	sink.Close()
}

func TestManyAtOnce(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			text := strconv.Itoa(i)
			if got, err := echo.Call(t.Context(), state.Dirs{}, text, worker.With{}); err != nil || got.Text != text {
				t.Errorf("%s: %+v, %v", text, got, err)
			}
		})
	}
	wg.Wait()
}
