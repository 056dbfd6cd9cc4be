// SPDX-License-Identifier: Apache-2.0

package paper

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/ns/seccomp"
)

// filtered is a thread whose calls a Keeper answers. It does what it is sent.
type filtered struct {
	do     chan func()
	served chan error
}

// filter starts one.
func filter(t testing.TB, k *Keeper) *filtered {
	t.Helper()
	var before unix.Rlimit // what is changed here is the whole process's
	if err := unix.Prlimit(0, rlimitLocks, nil, &before); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Prlimit(0, rlimitLocks, &before, nil) })
	making, _ := MakeCalls()
	prog, err := seccomp.Compile(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
		{Names: slices.Concat(SetCalls(), ChownCalls(), StatCalls(), making, []string{"openat"}), Action: specs.ActNotify},
	}})
	if err != nil {
		t.Fatal(err)
	}
	f := &filtered{make(chan func()), make(chan error, 1)}
	type answer struct {
		fd uintptr
		e  unix.Errno
	}
	set := make(chan answer)
	onThread(func() {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			set <- answer{e: unix.EPERM}
			return
		}
		p := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
		fd, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&p)))
		set <- answer{fd, e}
		for do := range f.do {
			do()
		}
	})
	a := <-set
	if a.e == unix.EBUSY || a.e == unix.EPERM {
		t.Skipf("a filter of somebody else's: %v", a.e)
	} else if a.e != 0 {
		t.Fatalf("set a filter: %v", a.e)
	}
	go func() { f.served <- k.Serve(os.NewFile(a.fd, "listener")) }()
	return f
}

// onThread calls do on a thread of its own that ends with it: the first one of a
// process never ends.
func onThread(do func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			onThread(do)
			runtime.UnlockOSThread()
			return
		}
		do()
	}()
}

// run does something on the thread, and waits for its end.
func (f *filtered) run(do func()) {
	done := make(chan struct{})
	f.do <- func() { do(); close(done) }
	<-done
}

// end lets the thread end, upon which nobody is served any more.
func (f *filtered) end(t testing.TB) {
	t.Helper()
	close(f.do)
	if err := <-f.served; err != nil {
		t.Errorf("serve: %v", err)
	}
}

// TestServed is somebody else on paper, makes a file, gives another one away and sees both.
func TestServed(t *testing.T) {
	for _, waits := range []bool{false, true} {
		k := NewKeeper()
		if k.waits || !waits { // as on an older kernel, too
			k.waits = waits
			t.Run(fmt.Sprint(waits), func(t *testing.T) { served(t, k) })
		}
	}
}

func served(t *testing.T, k *Keeper) {
	dir, fd := given(t)
	f := filter(t, k)
	var st [4]unix.Stat_t
	var errs []error
	f.run(func() {
		call := func(nr uintptr, a ...uintptr) {
			for len(a) < 5 {
				a = append(a, 0)
			}
			if r, _, e := syscall.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], 0); e != 0 {
				errs = append(errs, fmt.Errorf("call %d: %w", nr, e))
			} else if nr == unix.SYS_OPENAT {
				errs = append(errs, unix.Close(int(r)))
			}
		}
		text := func(s string) uintptr { p, _ := unix.BytePtrFromString(s); return uintptr(unsafe.Pointer(p)) }
		stat := func(i int, name string) {
			call(unix.SYS_NEWFSTATAT, uintptr(fd), text(name), uintptr(unsafe.Pointer(&st[i])), 0)
		}
		stat(0, "f")
		stat(1, "plain")
		call(unix.SYS_FCHOWNAT, uintptr(fd), text("plain"), 77, 78, 0)
		stat(2, "plain")
		call(unix.SYS_SETRESGID, 33, 33, 33)
		call(unix.SYS_SETRESUID, 33, 33, 33)
		call(unix.SYS_OPENAT, uintptr(fd), text("new"), unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o600)
		call(unix.SYS_RENAMEAT2, uintptr(fd), text("new"), uintptr(fd), text("newer"), 0)
		stat(3, "newer")
	})
	f.end(t)
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	for i, want := range [][2]uint32{{5, 6}, {uint32(os.Getuid()), uint32(os.Getgid())}, {77, 78}, {33, 33}} {
		if got := [2]uint32{st[i].Uid, st[i].Gid}; got != want {
			t.Errorf("stat %d: %v, want %v", i, got, want)
		}
	}
	if u, g, ok := ids.Noted(dir, "newer", unix.S_IFREG); !ok || u != 33 || g != 33 {
		t.Errorf("what was made is %d:%d's, %v", u, g, ok)
	}
}

// TestServedWhileOneIsStuck: a request that is not answered keeps no others from theirs.
func TestServedWhileOneIsStuck(t *testing.T) {
	dir, _ := given(t)
	k := NewKeeper()
	f := filter(t, k)
	other := exec.Command("/bin/sh", "-c", "while read go; do stat -c %u:%g "+filepath.Join(dir, "f")+"; done")
	in, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	f.run(func() { err = other.Start() }) // it has the thread's filter
	if err != nil {
		t.Fatal(err)
	}
	ask := func() {
		t.Helper()
		var line string
		if _, err := fmt.Fprintln(in); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fscanln(out, &line); err != nil || line != "5:6" {
			t.Errorf("the other process sees %q: %v", line, err)
		}
	}
	k.mu.Lock() // where a new identity is put down
	stuck := make(chan struct{})
	f.do <- func() {
		if _, _, e := unix.Syscall(unix.SYS_SETUID, 33, 0, 0); e != 0 {
			t.Errorf("setuid: %v", e)
		}
		close(stuck)
	}
	ask()
	ask()
	k.mu.Unlock()
	<-stuck
	ask()
	if err := errors.Join(in.Close(), other.Wait()); err != nil {
		t.Error(err)
	}
	f.end(t)
}

// TestServedProcessesMayEnd kills processes in the middle of their calls: who serves
// them goes on, and keeps nothing of theirs.
func TestServedProcessesMayEnd(t *testing.T) {
	dir, _ := given(t)
	k := NewKeeper()
	f := filter(t, k)
	var before int
	for round := range 40 {
		c := exec.Command("/bin/sh", "-c", "while :; do : > "+dir+"/x; stat "+dir+"/f "+dir+"/plain; rm "+dir+"/x; done")
		var err error
		f.run(func() { err = c.Start() })
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(round) * time.Millisecond / 4) // wherever it is by then
		_ = c.Process.Kill()
		_ = c.Wait()
		if round == 5 {
			before = descriptors(t)
		}
	}
	if after := descriptors(t); after > before+2 { // one may be in use
		t.Errorf("%d descriptors, then %d", before, after)
	}
	f.end(t)
}
