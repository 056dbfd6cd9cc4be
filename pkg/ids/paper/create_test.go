// SPDX-License-Identifier: Apache-2.0

package paper

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
	"coracle/pkg/ids"
)

// app is a process that is somebody on paper.
func app() *call {
	c := self(true)
	c.who, c.known = identity{uid: triple{9, 9, 9, 9}, gid: triple{8, 8, 8, 8}}, true
	return c
}

func TestWhatIsMadeIsItsMakers(t *testing.T) {
	dir, fd := testutil.Noted(t)
	who := func(name string, mode uint32) string {
		u, g, ok := ids.Noted(dir, name, mode)
		return fmt.Sprint(u, g, ok)
	}
	const theirs, nobodys = "9 8 true", "0 0 false"
	sgid := filepath.Join(dir, "sgid")
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "old"), nil, 0o644), os.Mkdir(sgid, 0o755), os.Chmod(sgid, 0o755|os.ModeSetgid), ids.Record(fd, "sgid", 3, 4, unix.S_IFDIR)); err != nil {
		t.Fatal(err)
	}
	for _, w := range []struct {
		name string
		call handler
		args args
		make func(path string) error
		mode uint32
		want string
	}{
		{"file", openat, args{uint64(fd), name(t, "file")}, func(p string) error { return os.WriteFile(p, nil, 0o600) }, unix.S_IFREG, theirs},
		{"dir", mkdirat, args{uint64(fd), name(t, "dir/")}, func(p string) error { return os.Mkdir(p, 0o700) }, unix.S_IFDIR, theirs},
		{"link", symlinkat, args{name(t, "x"), uint64(fd), name(t, "link")}, func(p string) error { return os.Symlink("x", p) }, unix.S_IFLNK, theirs},
		{"pipe", mknodat, args{uint64(fd), name(t, "pipe")}, func(p string) error { return unix.Mkfifo(p, 0o600) }, unix.S_IFIFO, theirs},
		{"sgid/in", openat, args{uint64(fd), name(t, "sgid/in")}, func(p string) error { return os.WriteFile(p, nil, 0o600) }, unix.S_IFREG, "9 4 true"},
		{"old", openat, args{uint64(fd), name(t, "old")}, func(string) error { return nil }, unix.S_IFREG, nobodys},
		{"refused", openat, args{uint64(fd), name(t, "refused")}, func(string) error { return nil }, unix.S_IFREG, nobodys},
		{"nowhere/x", openat, args{uint64(fd), name(t, "nowhere/x")}, func(string) error { return nil }, unix.S_IFREG, nobodys},
	} {
		c := app()
		if _, err := w.call(c, w.args); err != errAsKernel {
			t.Errorf("%s: %v: the kernel makes it", w.name, err)
		}
		if err := w.make(filepath.Join(dir, w.name)); err != nil {
			t.Fatal(err)
		}
		c.keeper.look(c.pid)
		if got := who(w.name, w.mode); got != w.want {
			t.Errorf("%s is %s's, want %s", w.name, got, w.want)
		}
		if n := c.keeper.made.some.Load(); n != 0 {
			t.Errorf("%s: %d are still waited for", w.name, n)
		}
	}
	root := self(true)
	if _, err := openat(root, args{uint64(fd), name(t, "roots")}); err != errAsKernel || root.keeper.made.some.Load() != 0 {
		t.Errorf("what root makes is waited for: %v", err)
	}
}

// TestWhatIsMadeIsNotedBeforeAnybodyLooks: by a stat, before it is renamed, at the end.
func TestWhatIsMadeIsNotedBeforeAnybodyLooks(t *testing.T) {
	dir, fd := testutil.Noted(t)
	buf := buffer(t, 4096)
	for what, look := range map[string]func(k *Keeper){
		"stat": func(k *Keeper) {
			c := &call{keeper: k, pid: os.Getpid(), valid: func() bool { return true }}
			if _, err := fstatat(statNative)(c, args{uint64(fd), name(t, "f"), at(buf), 0}); err != nil {
				t.Errorf("nobody is shown: %v", err)
			}
		},
		"rename": func(k *Keeper) { _, _ = moves(&call{keeper: k, pid: 1}, args{}) },
		"time":   func(k *Keeper) { k.look(0) },
		"end":    func(k *Keeper) { k.Settle() },
	} {
		path := filepath.Join(dir, "f")
		c := app()
		_, _ = openat(c, args{uint64(fd), name(t, "f")})
		if c.keeper.nextLook() == nil {
			t.Fatal("nothing is waited for")
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		look(c.keeper)
		if u, g, ok := ids.Noted(dir, "f", unix.S_IFREG); !ok || u != 9 || g != 8 {
			t.Errorf("%s: %d:%d %v", what, u, g, ok)
		}
		if c.keeper.nextLook() != nil {
			t.Errorf("%s: something is waited for", what)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWhatIsNeverMade keeps a bounded number of directories open, for a bounded time.
func TestWhatIsNeverMade(t *testing.T) {
	_, fd := testutil.Noted(t)
	c := app()
	_, _ = openat(c, args{uint64(fd), name(t, "first")})
	before := descriptors(t)
	for i := range 3 * maxAwaited {
		c.pid = os.Getpid()
		dup, err := unix.Dup(fd)
		if err != nil {
			t.Fatal(err)
		}
		c.keeper.await(awaited{dir: dup, name: fmt.Sprint(i), by: i + 1<<23, till: time.Now().Add(time.Hour)})
	}
	if after := descriptors(t); after >= before+maxAwaited {
		t.Errorf("%d descriptors, then %d", before, after)
	}
	c.keeper.look(0)
	if n := c.keeper.made.some.Load(); n != maxAwaited {
		t.Errorf("%d are waited for, want %d", n, maxAwaited)
	}
	for i := range c.keeper.made.list {
		c.keeper.made.list[i].till = time.Time{}
	}
	c.keeper.look(0)
	if after := descriptors(t); after >= before || c.keeper.nextLook() != nil {
		t.Errorf("%d descriptors, then %d", before, after)
	}
}
