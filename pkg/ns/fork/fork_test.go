// SPDX-License-Identifier: Apache-2.0

package fork

import (
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

const below = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID

// say starts a shell in new namespaces and returns what it says.
func say(t *testing.T, script string) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := Program{
		New: below, Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"WORD=hello"}, Files: []*os.File{nil, w, w}, Keep: true,
	}.Start()
	w.Close()
	if err != nil {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
			t.Skip("no user namespaces here:", err)
		}
		t.Error(err)
		return ""
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	if st, err := p.Wait(); err != nil || !st.Success() {
		t.Errorf("%v, %v", st, err)
	}
	return strings.TrimSpace(string(text))
}

func TestBelow(t *testing.T) {
	got := say(t, `echo $$ $WORD; [ -e /proc/self/fd/0 ] || echo no input; while read -r name value; do [ $name != CapEff: ] || echo $value; done </proc/thread-self/status`)
	lines := strings.Split(got, "\n")
	if len(lines) != 3 || lines[0] != "1 hello" || lines[1] != "no input" || strings.Trim(lines[2], "0") == "" {
		t.Errorf("%q", got)
	}
}

// TestBelowMany: a process that shares our memory until its execve leaves it as it was,
// whatever goes on meanwhile.
func TestBelowMany(t *testing.T) {
	say(t, "true") // or skip
	stop := make(chan struct{})
	var busy, all sync.WaitGroup
	busy.Go(func() {
		for kept := [16][]byte{}; ; {
			for i := range kept {
				kept[i] = make([]byte, 10_000)
			}
			runtime.GC()
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for range 8 {
		all.Go(func() {
			for range 10 {
				if got := say(t, "echo $$ $WORD"); got != "1 hello" {
					t.Errorf("%q", got)
				}
			}
		})
	}
	all.Wait()
	close(stop)
	busy.Wait()
}

func TestBelowRefused(t *testing.T) {
	say(t, "true") // or skip
	for what, p := range map[string]Program{
		"no program":         {New: below, Path: "/nosuch", Args: []string{"x"}, Keep: true},
		"no such namespace":  {New: unix.CLONE_THREAD, Path: "/bin/sh", Args: []string{"sh"}, Keep: true},
		"too many files":     {New: below, Path: "/bin/sh", Args: []string{"sh"}, Files: make([]*os.File, maxFiles+1), Keep: true},
		"a name with a zero": {New: below, Path: "/bin/s\x00h", Args: []string{"sh"}, Keep: true},
	} {
		if p, err := p.Start(); err == nil {
			t.Errorf("%s: process %d", what, p.Pid)
		}
	}
	if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("a process is left: %v", err)
	}
	_, err := Program{New: below, Path: "/nosuch", Args: []string{"x"}, Keep: true}.Start()
	if !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "execve") {
		t.Errorf("%v", err)
	}
}
