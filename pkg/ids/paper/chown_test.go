// SPDX-License-Identifier: Apache-2.0

package paper

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
	"coracle/pkg/ids"
)

func TestMayGive(t *testing.T) {
	app := identity{uid: triple{9, 9, 9, 9}, gid: triple{8, 8, 8, 8}, groups: string(le32(6, 7))}
	caps := app
	caps.kept = true
	for _, c := range []struct {
		who      identity
		uid, gid uint32
		may      bool
	}{
		{identity{}, 5, 5, true}, {caps, 5, 5, true}, {app, 5, same, false}, {app, 0, 0, false},
		{app, 9, 8, true}, {app, same, 7, true}, {app, same, 5, false}, {app, same, same, true},
	} {
		if (&call{who: c.who, known: true}).mayGive(gift{uid: c.uid, gid: c.gid}) != c.may {
			t.Errorf("%+v: %v", c, !c.may)
		}
	}
}

// TestOpen opens what a process with a root of its own means.
func TestOpen(t *testing.T) {
	top := t.TempDir()
	root, proc := filepath.Join(top, "root"), filepath.Join(top, "proc")
	err := errors.Join(os.MkdirAll(filepath.Join(root, "d/e"), 0o755), os.MkdirAll(filepath.Join(proc, "fd"), 0o755), os.Mkdir(filepath.Join(root, "out"), 0o755),
		os.WriteFile(filepath.Join(top, "out"), nil, 0o644), os.WriteFile(filepath.Join(root, "d/f"), nil, 0o644),
		os.Symlink("../../../out", filepath.Join(root, "d/up")), os.Symlink("/out", filepath.Join(root, "d/absolute")),
		os.Symlink("/proc/self/root", filepath.Join(root, "magic")), os.Symlink("loop", filepath.Join(root, "loop")),
		os.Symlink(root, filepath.Join(proc, "root")), os.Symlink(filepath.Join(root, "d"), filepath.Join(proc, "cwd")),
		os.Symlink(filepath.Join(root, "d/e"), filepath.Join(proc, "fd/3")), os.Symlink(filepath.Join(root, "d/f"), filepath.Join(proc, "fd/4")))
	if err != nil {
		t.Fatal(err)
	}
	c := &call{proc: place{unix.AT_FDCWD, proc, proc}}
	for _, w := range []struct {
		dir    int32
		name   string
		follow bool
		want   string // below top
		err    error
	}{
		{unix.AT_FDCWD, "f", true, "root/d/f", nil},
		{unix.AT_FDCWD, "/d/f", true, "root/d/f", nil},
		{unix.AT_FDCWD, "../d/f", true, "root/d/f", nil},
		{unix.AT_FDCWD, "../../../../out", true, "root/out", nil},
		{unix.AT_FDCWD, "/../../out", true, "root/out", nil},
		{unix.AT_FDCWD, "up", true, "root/out", nil},
		{unix.AT_FDCWD, "absolute", true, "root/out", nil},
		{unix.AT_FDCWD, "absolute", false, "root/d/absolute", nil},
		{3, "../f", true, "root/d/f", nil},
		{3, "", true, "root/d/e", nil},
		{4, "", true, "root/d/f", nil},
		{4, "x", true, "", unix.ENOTDIR},
		{5, "x", true, "", unix.EBADF},
		{5, "/d", true, "root/d", nil},
		{-1, "x", true, "", unix.EBADF},
		{unix.AT_FDCWD, "/loop", true, "", unix.ELOOP},
		{unix.AT_FDCWD, "/magic", true, "", unix.ENOENT},
		{unix.AT_FDCWD, "missing", true, "", unix.ENOENT},
		{unix.AT_FDCWD, strings.Repeat("n", 300), true, "", unix.ENAMETOOLONG},
	} {
		f, err := c.open(file{w.dir, w.name, w.follow})
		if !errors.Is(err, w.err) || (err != nil) != (w.err != nil) {
			t.Errorf("%d %q: %v, want %v", w.dir, w.name, err, w.err)
		}
		if err != nil {
			continue
		}
		if got, _ := os.Readlink(fdPath(f)); got != filepath.Join(top, w.want) {
			t.Errorf("%d %q IS %s, want %s", w.dir, w.name, got, w.want)
		}
		unix.Close(f)
	}
}

// pointer puts a text into this process's memory, where the call finds it.
func pointer(t *testing.T, text string) uintptr {
	t.Helper()
	mem, err := unix.Mmap(-1, 0, 3*4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(mem) })
	copy(mem, text)
	return uintptr(unsafe.Pointer(&mem[0]))
}

func self(valid bool) *call {
	return &call{keeper: NewKeeper(), pid: os.Getpid(), valid: func() bool { return valid }}
}

func TestText(t *testing.T) {
	// One page, and after it nothing that may be read.
	mem, err := unix.Mmap(-1, 0, 2*4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(mem) }()
	copy(mem[4090:], "/end\x00x")
	base := uintptr(unsafe.Pointer(&mem[0]))
	if err := unix.Mprotect(mem[4096:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	if os.Getpagesize() == 4096 {
		if s, err := self(true).text(base + 4090); s != "/end" || err != nil {
			t.Errorf("at the end of a page: %q %v", s, err)
		}
		if _, err := self(true).text(base + 4095); err != unix.EFAULT {
			t.Errorf("without an end: %v", err)
		}
	}
	for at, want := range map[uintptr]error{
		0: unix.EFAULT, 1: unix.EFAULT, ^uintptr(0): unix.EFAULT, ^uintptr(0) - 4095: unix.EFAULT,
		pointer(t, strings.Repeat("a/", 3000)): unix.ENAMETOOLONG, pointer(t, ""): nil,
	} {
		if _, err := self(true).text(at); err != want {
			t.Errorf("%#x: %v, want %v", at, err, want)
		}
	}
}

func TestChownOnPaper(t *testing.T) {
	dir, fd := testutil.Noted(t)
	file := filepath.Join(dir, "f")
	if err := errors.Join(os.WriteFile(file, nil, 0o644), os.Chmod(file, 0o755|os.ModeSetuid), os.Symlink("f", filepath.Join(dir, "l")), os.Symlink("/proc/self/fd/1", filepath.Join(dir, "log"))); err != nil {
		t.Fatal(err)
	}
	owner := func(name string, mode uint32) string {
		u, g, ok := ids.Noted(dir, name, mode)
		return fmt.Sprint(u, g, ok)
	}
	path := func(s string) uint64 { return uint64(pointer(t, s)) }
	at := func(name string, uid, gid uint32, flags uint64) [6]uint64 {
		return [6]uint64{uint64(fd), path(name), uint64(uid), uint64(gid), flags}
	}
	for _, w := range []struct {
		what string
		nr   int32
		args args
		want error
		f, l string // noted then
	}{
		{"by its name", unix.SYS_FCHOWNAT, at("f", 5, 6, 0), nil, "5 6 true", "0 0 false"},
		{"by a link", unix.SYS_FCHOWNAT, at("l", 7, same, 0), nil, "7 6 true", "0 0 false"},
		{"a link", unix.SYS_FCHOWNAT, at("l", 8, 9, unix.AT_SYMLINK_NOFOLLOW), nil, "7 6 true", "8 9 true"},
		{"by its path", unix.SYS_FCHOWNAT, [6]uint64{1<<64 - 100, path(file), 1, 2}, nil, "1 2 true", "8 9 true"},
		{"the directory itself", unix.SYS_FCHOWNAT, at("", 3, 4, unix.AT_EMPTY_PATH), nil, "1 2 true", "8 9 true"},
		{"nothing", unix.SYS_FCHOWNAT, at("", 3, 4, 0), unix.ENOENT, "1 2 true", "8 9 true"},
		{"what is missing", unix.SYS_FCHOWNAT, at("missing", 3, 4, 0), unix.ENOENT, "1 2 true", "8 9 true"},
		{"what only the process finds", unix.SYS_FCHOWNAT, at("log", 3, 4, 0), nil, "1 2 true", "8 9 true"},
		{"unknown flags", unix.SYS_FCHOWNAT, at("f", 3, 4, 1), unix.EINVAL, "1 2 true", "8 9 true"},
		{"a bad pointer", unix.SYS_FCHOWNAT, [6]uint64{uint64(fd), 1, 3, 4}, unix.EFAULT, "1 2 true", "8 9 true"},
		{"a bad descriptor", unix.SYS_FCHOWN, [6]uint64{1 << 20, 3, 4}, unix.EBADF, "1 2 true", "8 9 true"},
		{"by its descriptor", unix.SYS_FCHOWN, [6]uint64{uint64(fd), 0, 0}, nil, "1 2 true", "8 9 true"},
		{"to root", unix.SYS_FCHOWNAT, at("f", 0, 0, 0), nil, "0 0 false", "8 9 true"},
	} {
		if _, err := handlerOf(native(), w.nr)(self(true), w.args); err != w.want {
			t.Errorf("%s: %v, want %v", w.what, err, w.want)
		}
		if f, l := owner("f", unix.S_IFREG), owner("l", unix.S_IFLNK); f != w.f || l != w.l {
			t.Errorf("%s: noted are %s and %s, want %s and %s", w.what, f, l, w.f, w.l)
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil || st.Mode&unix.S_ISUID != 0 {
		t.Errorf("the set-user-ID bit outlived a new owner: %o %v", st.Mode, err)
	}
	if _, err := fchownat(self(false), at("f", 5, 6, 0)); err != unix.EINTR || owner("f", unix.S_IFREG) != "0 0 false" {
		t.Errorf("of a process that is gone: %v, %s", err, owner("f", unix.S_IFREG))
	}
	app := self(true)
	app.who, app.known = identity{uid: triple{9, 9, 9, 9}}, true
	if _, err := fchownat(app, at("f", 5, 6, 0)); err != unix.EPERM {
		t.Errorf("by who may not: %v", err)
	}
}

func TestNumberInProc(t *testing.T) {
	if n, err := numberInProc(os.Getpid()); err != nil || n != os.Getpid() {
		t.Errorf("%d %v", n, err)
	}
	if _, err := numberInProc(1 << 22); err == nil {
		t.Error("of nobody")
	}
	// /proc is taken where it has the same numbers, and so leads to this process.
	if p := (place{dir: openProc(), base: strconv.Itoa(os.Getpid())}); p.dir >= 0 {
		defer unix.Close(p.dir)
		cwd, err := p.link("cwd")
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(cwd)
		var here, there unix.Stat_t
		if err := errors.Join(unix.Stat(".", &here), unix.Fstat(cwd, &there)); err != nil || here.Ino != there.Ino {
			t.Errorf("/proc leads elsewhere: %v", err)
		}
	}
}
