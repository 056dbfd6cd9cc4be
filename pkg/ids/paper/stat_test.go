// SPDX-License-Identifier: Apache-2.0

package paper

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
	"coracle/pkg/ids"
)

// given is a directory with files that are given to somebody, and one that is not.
func given(t *testing.T) (string, int) {
	t.Helper()
	dir, fd := testutil.Noted(t)
	err := errors.Join(os.WriteFile(filepath.Join(dir, "f"), []byte("four"), 0o640), os.WriteFile(filepath.Join(dir, "plain"), nil, 0o644),
		os.Symlink("f", filepath.Join(dir, "l")), os.Symlink("plain", filepath.Join(dir, "lp")), os.Mkdir(filepath.Join(dir, "d"), 0o755),
		ids.Record(fd, "f", 5, 6, unix.S_IFREG), ids.Record(fd, "l", 7, 8, unix.S_IFLNK), ids.Record(fd, "d", 9, 10, unix.S_IFDIR))
	if err != nil {
		t.Fatal(err)
	}
	return dir, fd
}

// buffer is memory of this process, below 4 GB where there is such.
func buffer(t *testing.T, size int) []byte {
	t.Helper()
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|low)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(mem) })
	return mem
}

func at(mem []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&mem[0]))) }

// name puts a text into memory.
func name(t *testing.T, text string) uint64 {
	mem := buffer(t, 3*4096)
	copy(mem, text)
	return at(mem)
}

func TestStatShowsWhoIsNoted(t *testing.T) {
	dir, fd := given(t)
	file, err := os.Open(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const link, empty = unix.AT_SYMLINK_NOFOLLOW, unix.AT_EMPTY_PATH
	for _, w := range []struct {
		what     string
		dir      int
		name     string
		flags    uint64
		err      error
		uid, gid uint32
	}{
		{"a file", fd, "f", 0, nil, 5, 6},
		{"by its path", unix.AT_FDCWD, filepath.Join(dir, "f"), 0, nil, 5, 6},
		{"through a link", fd, "l", 0, nil, 5, 6},
		{"a link", fd, "l", link, nil, 7, 8},
		{"a directory", fd, "d/", link, nil, 9, 10},
		{"above", fd, "d/../f", 0, nil, 5, 6},
		{"what is open", int(file.Fd()), "", empty, nil, 5, 6},
		{"nobody's", fd, "plain", 0, errAsKernel, 0, 0},
		{"a link to nobody's", fd, "lp", 0, errAsKernel, 0, 0},
		{"a directory that is open, nobody's", fd, "", empty, errAsKernel, 0, 0},
		{"without the flag for it", int(file.Fd()), "", 0, errAsKernel, 0, 0},
		{"a file as a directory", fd, "f/", 0, errAsKernel, 0, 0},
		{"what is missing", fd, "missing", 0, errAsKernel, 0, 0},
		{"a bad descriptor", 1 << 20, "f", 0, errAsKernel, 0, 0},
		{"too long a path", fd, strings.Repeat("x/", 3000), 0, errAsKernel, 0, 0},
		{"unknown flags", fd, "f", 0x10, errAsKernel, 0, 0},
		{"what only the process finds", unix.AT_FDCWD, "/proc/self/cwd", 0, errAsKernel, 0, 0},
	} {
		buf := buffer(t, 4096)
		_, err := fstatat(statNative)(self(true), args{uint64(w.dir), name(t, w.name), at(buf), w.flags})
		st := (*unix.Stat_t)(unsafe.Pointer(&buf[0]))
		if err != w.err || st.Uid != w.uid || st.Gid != w.gid {
			t.Errorf("stat of %s: %d:%d %v, want %d:%d %v", w.what, st.Uid, st.Gid, err, w.uid, w.gid, w.err)
		}
		if w.name == "f" && w.err == nil && (st.Size != 4 || st.Mode != unix.S_IFREG|0o640) {
			t.Errorf("stat of %s is about something else: %+v", w.what, st)
		}
		buf = buffer(t, 4096)
		_, err = statx(self(true), args{uint64(w.dir), name(t, w.name), w.flags, unix.STATX_BASIC_STATS, at(buf)})
		sx := (*unix.Statx_t)(unsafe.Pointer(&buf[0]))
		if err != w.err || sx.Uid != w.uid || sx.Gid != w.gid || err == nil && sx.Mask&unix.STATX_UID == 0 {
			t.Errorf("statx of %s: %d:%d %v, want %d:%d %v", w.what, sx.Uid, sx.Gid, err, w.uid, w.gid, w.err)
		}
	}
	buf := buffer(t, 4096)
	if _, err := fstat(statNative)(self(true), args{uint64(file.Fd()), at(buf)}); err != nil || (*unix.Stat_t)(unsafe.Pointer(&buf[0])).Uid != 5 {
		t.Errorf("fstat: %v", err)
	}
	if _, err := fstat(statNative)(self(true), args{here, at(buf)}); err != errAsKernel {
		t.Errorf("fstat of AT_FDCWD: %v", err)
	}
	if _, err := statx(self(true), args{uint64(fd), name(t, "f"), 0, 1 << 31, at(buf)}); err != errAsKernel {
		t.Errorf("statx with a reserved bit: %v", err)
	}
}

// TestStatOfBadMemory: where there is no room it is EFAULT, as of the kernel, and
// nothing is written for who is gone.
func TestStatOfBadMemory(t *testing.T) {
	_, fd := given(t)
	mem := buffer(t, 3*4096)
	if err := errors.Join(unix.Mprotect(mem[4096:8192], unix.PROT_READ), unix.Mprotect(mem[8192:], unix.PROT_NONE)); err != nil {
		t.Fatal(err)
	}
	page := at(mem)
	for what, buf := range map[string]uint64{
		"nowhere": 0, "the last byte": ^uint64(0), "the kernel's": 1 << 63, "read-only": page + 4096, "nobody's": page + 8192, "half": page + 4096 - 16,
	} {
		for call, do := range map[string]func(*call) error{
			"newfstatat": func(c *call) error {
				_, err := fstatat(statNative)(c, args{uint64(fd), name(t, "f"), buf, 0})
				return err
			},
			"statx": func(c *call) error {
				_, err := statx(c, args{uint64(fd), name(t, "f"), 0, unix.STATX_BASIC_STATS, buf})
				return err
			},
		} {
			if err := do(self(true)); err != unix.EFAULT {
				t.Errorf("%s into what is %s: %v", call, what, err)
			}
		}
	}
	clear(mem[:4096])
	if _, err := fstatat(statNative)(self(false), args{uint64(fd), name(t, "f"), page, 0}); err == nil || mem[24] != 0 || mem[28] != 0 {
		t.Errorf("of a process that is gone: %v", err)
	}
	if _, err := fstatat(statNative)(self(true), args{uint64(fd), 1, page, 0}); err != errAsKernel {
		t.Errorf("a path from nowhere: %v", err)
	}
}

// TestStatLeaksNothing counts descriptors after calls of every kind.
func TestStatLeaksNothing(t *testing.T) {
	dir, fd := given(t)
	c := self(true)
	buf := buffer(t, 4096)
	var names []uint64
	for _, n := range []string{"f", "l", "lp", "plain", "missing", "d/../f", filepath.Join(dir, "l"), "", "f/x"} {
		names = append(names, name(t, n))
	}
	round := func() {
		for _, n := range names {
			for _, flags := range []uint64{0, unix.AT_SYMLINK_NOFOLLOW, unix.AT_EMPTY_PATH} {
				_, _ = fstatat(statNative)(c, args{uint64(fd), n, at(buf), flags})
				_, _ = fchownat(c, args{uint64(fd), n, 5, 6, flags})
				_, _ = openat(c, args{uint64(fd), n})
			}
		}
	}
	round()
	before := descriptors(t)
	for range 100 {
		round()
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, then %d", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestI386 makes calls as a program of 32 bits makes them.
func TestI386(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("there are no such programs")
	}
	dir, _ := given(t)
	do := func(c *call, nr int32, a ...uint64) (uint32, error) {
		var all args
		copy(all[:], a)
		for i := range all {
			all[i] |= 0xabcd << 32 // what is in the upper half means nothing
		}
		return handlerOf(unix.AUDIT_ARCH_I386, nr)(c, all)
	}
	buf, file := buffer(t, 4096), name(t, filepath.Join(dir, "f"))
	le := binary.LittleEndian
	for _, nr := range []int32{195, 196, 300} {
		clear(buf)
		a := []uint64{file, at(buf)}
		if nr == 300 {
			a = []uint64{here, file, at(buf), 0}
		}
		if _, err := do(self(true), nr, a...); err != nil || le.Uint32(buf[24:]) != 5 || le.Uint32(buf[28:]) != 6 || le.Uint32(buf[16:]) != unix.S_IFREG|0o640 || le.Uint64(buf[44:]) != 4 {
			t.Errorf("stat64 %d: %v % x", nr, err, buf[:96])
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dir, "f"), &st); err != nil || le.Uint64(buf[88:]) != st.Ino || le.Uint64(buf[56:]) != uint64(st.Blocks) || le.Uint32(buf[72:]) != uint32(st.Mtim.Sec) {
		t.Errorf("stat64 has its end elsewhere: %v % x", err, buf[:96])
	}
	owner := func() [2]int {
		u, g, _ := ids.Noted(dir, "f", unix.S_IFREG)
		return [2]int{u, g}
	}
	if _, err := do(self(true), 182, file, 70000, 0xffff); err != nil || owner() != [2]int{70000 - 65536, 6} {
		t.Errorf("chown with 16 bits: %v %v", err, owner())
	}
	if _, err := do(self(true), 212, file, 70000, uint64(same)); err != nil || owner() != [2]int{70000, 6} {
		t.Errorf("chown32: %v %v", err, owner())
	}
	c := self(true)
	c.known, c.who = true, identity{uid: triple{70000, 8, 9, 8}}
	for nr, want := range map[int32]uint32{24: overflow, 199: 70000, 49: 8, 201: 8} {
		if got, err := do(c, nr); err != nil || got != want {
			t.Errorf("%d: %d %v, want %d", nr, got, err, want)
		}
	}
	if _, err := do(c, 165, at(buf), at(buf)+2, at(buf)+4); err != nil || le.Uint16(buf) != overflow || le.Uint16(buf[2:]) != 8 || le.Uint16(buf[4:]) != 9 {
		t.Errorf("getresuid: %v % x", err, buf[:6])
	}
	c = &call{keeper: NewKeeper(), known: true, pid: os.Getpid(), valid: func() bool { return false }}
	le.PutUint16(buf, 7)
	le.PutUint16(buf[2:], 44)
	if _, err := do(c, 81, 2, at(buf)); err != nil || c.who.groups != string(le32(7, 44)) {
		t.Errorf("setgroups: %v % x", err, c.who.groups)
	}
	if _, err := do(c, 23, 0xffff); err != unix.EINVAL {
		t.Errorf("setuid to nobody: %v", err)
	}
	if _, err := do(c, 164, 0xffff, 33, 0xffff); err != nil || c.who.uid != (triple{0, 33, 0, 33}) {
		t.Errorf("setresuid: %v %v", err, c.who.uid)
	}
	c.valid = func() bool { return true }
	if n, err := do(c, 80, 10, at(buf)+100); err != nil || n != 2 || le.Uint16(buf[102:]) != 44 {
		t.Errorf("getgroups: %d %v % x", n, err, buf[100:104])
	}
	if handlerOf(unix.AUDIT_ARCH_I386, 106) != nil || handlerOf(1, unix.SYS_SETUID) != nil {
		t.Error("the eldest, and those of other machines, are the kernel's")
	}
}
