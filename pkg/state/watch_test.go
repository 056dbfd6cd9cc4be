// SPDX-License-Identifier: Apache-2.0

package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// instances counts the inotify descriptors of this process.
func instances(t *testing.T) (n int) {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if to, _ := os.Readlink("/proc/self/fd/" + e.Name()); strings.Contains(to, "inotify") {
			n++
		}
	}
	return n
}

func write(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func told(t *testing.T, what string, w *Watcher) {
	t.Helper()
	select {
	case <-w.Changed:
	case <-time.After(time.Minute):
		t.Fatalf("%s: nobody told", what)
	}
}

// quiet fails where a watcher has been told of something. after is one that was told of
// what happened later: what the kernel says comes in order.
func quiet(t *testing.T, what string, w *Watcher) {
	t.Helper()
	select {
	case <-w.Changed:
		t.Errorf("%s: told", what)
	default:
	}
}

// Each is told of its own directory, all that watch it are, and there is one instance,
// which goes with the last of them.
func TestWatch(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	var list []*Watcher
	for _, dir := range []string{a, a, b} {
		w, err := Watch(dir)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, w)
	}
	if n := instances(t); n != 1 {
		t.Errorf("%d instances", n)
	}
	write(t, filepath.Join(a, "f"))
	told(t, "the first", list[0])
	told(t, "the second", list[1])
	write(t, filepath.Join(b, "f"))
	told(t, "the other", list[2])
	if err := os.Rename(filepath.Join(a, "f"), filepath.Join(b, "g")); err != nil {
		t.Fatal(err)
	}
	told(t, "of what came", list[2])
	list[1].Close()
	for len(list[0].Changed) > 0 {
		<-list[0].Changed
	}
	write(t, filepath.Join(a, "g"))
	told(t, "who is left", list[0])
	quiet(t, "who has closed", list[1])
	if err := os.RemoveAll(b); err != nil {
		t.Fatal(err)
	}
	told(t, "of the end of the directory", list[2])
	list[2].Close()
	list[0].Close()
	if n := instances(t); n != 0 {
		t.Errorf("%d instances are left", n)
	}
	if _, err := Watch(filepath.Join(a, "nosuch")); !errors.Is(err, fs.ErrNotExist) || instances(t) != 0 {
		t.Errorf("no directory: %v, %d instances", err, instances(t))
	}
}

// More watch than a user may have instances, who come and go at the same time.
func TestManyWatch(t *testing.T) {
	before := runtime.NumGoroutine()
	dirs := make([]string, 10)
	for i := range dirs {
		dirs[i] = t.TempDir()
	}
	var all sync.WaitGroup
	for i := range 500 {
		all.Go(func() {
			dir := dirs[i%len(dirs)]
			for range 5 {
				w, err := Watch(dir)
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(dir, "f"), []byte{byte(i)}, 0o600); err != nil {
					t.Error(err)
				}
				select {
				case <-w.Changed:
				case <-time.After(time.Minute):
					t.Error("nobody told")
				}
				w.Close()
			}
		})
	}
	all.Wait()
	if n := instances(t); n != 0 {
		t.Errorf("%d instances are left", n)
	}
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// What was lost is told to all.
func TestOverflow(t *testing.T) {
	a, b := &Watcher{changed: make(chan struct{}, 1)}, &Watcher{changed: make(chan struct{}, 1)}
	in := &instance{dirs: map[int32][]*Watcher{1: {a}, 2: {b}}}
	in.tell([]byte("\xff\xff\xff\xff\x00\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	if len(a.changed) != 1 || len(b.changed) != 1 {
		t.Error("somebody was not told")
	}
	in.tell([]byte("short"))
}
