// SPDX-License-Identifier: Apache-2.0

package descriptor

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// blocking is a pipe whose reader is in no poller, as one that came from
// another process.
func blocking(t *testing.T) (r, w *os.File) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w = os.NewFile(uintptr(p[0]), "reader"), os.NewFile(uintptr(p[1]), "writer")
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func flags(t *testing.T, f *os.File, cmd int) (is int) {
	t.Helper()
	err := Control(f, func(fd int) (err error) {
		is, err = unix.FcntlInt(uintptr(fd), cmd, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return is
}

func TestControl(t *testing.T) {
	r, _, err := os.Pipe() // in the poller, so not blocking
	if err != nil {
		t.Fatal(err)
	}
	if flags(t, r, unix.F_GETFL)&unix.O_NONBLOCK == 0 {
		t.Error("looking at a file made it blocking")
	}
	own := errors.New("own")
	if err := Control(r, func(int) error { return own }); err != own {
		t.Errorf("%v, want the function's error", err)
	}
	r.Close()
	err = Control(r, func(int) error { t.Error("called with a closed file"); return nil })
	if err == nil {
		t.Error("of a closed file: no error")
	}
}

func TestDup(t *testing.T) {
	r, w := blocking(t)
	fd, err := Dup(w, 100)
	if err != nil {
		t.Fatal(err)
	}
	if fd < 100 {
		t.Errorf("descriptor %d, want 100 at least", fd)
	}
	f := os.NewFile(uintptr(fd), "dup")
	if flags(t, f, unix.F_GETFD)&unix.FD_CLOEXEC == 0 {
		t.Error("programs that are executed get it")
	}
	if _, err := f.WriteString("x"); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	var b [1]byte
	if n, err := r.Read(b[:]); n != 1 || b[0] != 'x' {
		t.Errorf("read %q, %v", b[:n], err)
	}
	if _, err := w.WriteString("y"); err != nil {
		t.Errorf("the file it was made of is closed with it: %v", err)
	}
	w.Close()
	if _, err := Dup(w, 3); err == nil {
		t.Error("of a closed file: no error")
	}
}

func TestPollable(t *testing.T) {
	r, w := blocking(t)
	if err := r.SetReadDeadline(time.Now()); !errors.Is(err, os.ErrNoDeadline) {
		t.Fatalf("the pipe has deadlines before: %v", err)
	}
	f, err := Pollable(r)
	if err != nil {
		t.Fatal(err)
	}
	if f.Name() != "reader" {
		t.Errorf("it is called %s", f.Name())
	}
	if err := f.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read past its deadline: %v", err)
	}
	if err := f.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := f.Read(make([]byte, 1))
		ended <- err
	}()
	f.Close()
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("a read that waits ends with the file: %v", err)
	}
	if _, err := w.WriteString("z"); err != nil {
		t.Errorf("the file it was made of is closed with it: %v", err)
	}
}
