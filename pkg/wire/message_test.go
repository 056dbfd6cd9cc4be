// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

type note struct {
	Text   string `json:"text"`
	Number int    `json:"number"`
}

func pair(t *testing.T) (a, b *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, b = os.NewFile(uintptr(fds[0]), "a"), os.NewFile(uintptr(fds[1]), "b")
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return r, w
}

func TestR10_MessagesOfAnyLength(t *testing.T) {
	for _, size := range []int{0, 1, 64 << 10, 3 << 20} {
		a, b := pair(t)
		r, _ := pipe(t)
		for _, files := range [][]*os.File{nil, {r}} {
			sent := make(chan error, 1)
			go func() { sent <- Send(a, note{Text: strings.Repeat("x", size), Number: 7}, files...) }()
			var n note
			got, err := Receive(b, &n)
			if err != nil || len(n.Text) != size || n.Number != 7 || len(got) != len(files) {
				t.Errorf("%d bytes with %d files: %d bytes, %d files, %v", size, len(files), len(n.Text), len(got), err)
			}
			CloseFiles(got)
			if err := <-sent; err != nil {
				t.Error(err)
			}
		}
	}
}

func TestTooLongIsNotSent(t *testing.T) {
	a, b := pair(t)
	if err := Send(a, note{Text: strings.Repeat("x", MaxMessage)}); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("%v", err)
	}
	if err := Send(a, note{}, make([]*os.File, MaxFiles+1)...); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("%v", err)
	}
	// The stream is still in step.
	if err := Send(a, note{Number: 2}); err != nil {
		t.Fatal(err)
	}
	var n note
	if _, err := Receive(b, &n); err != nil || n.Number != 2 {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestDescriptorsStayWithTheirMessage(t *testing.T) {
	a, b := pair(t)
	r, w := pipe(t)
	for i := range 3 {
		if err := Send(a, note{Number: i}, []*os.File{w, w, w}[:i]...); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	for i := range 3 {
		var n note
		files, err := Receive(b, &n)
		if err != nil || n.Number != i || len(files) != i {
			t.Fatalf("message %d: %+v, %d files, %v", i, n, len(files), err)
		}
		for _, f := range files {
			if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("the descriptor would survive an execve: %v", err)
			}
			if _, err := f.WriteString("x"); err != nil {
				t.Error(err)
			}
		}
		CloseFiles(files)
	}
	if text, err := io.ReadAll(r); string(text) != "xxx" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

func TestBadMessages(t *testing.T) {
	length := func(n uint32, text string) []byte { return append(binary.BigEndian.AppendUint32(nil, n), text...) }
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":   {nil, "EOF"},
		"half":      {[]byte{0, 0}, "unexpected EOF"},
		"no body":   {length(100, ""), "unexpected EOF"},
		"cut off":   {length(100, "{"), "unexpected EOF"},
		"too long":  {length(1<<31, "{}"), "are too many"},
		"not JSON":  {length(3, "{x}"), "invalid character"},
		"otherwise": {length(2, "[]"), "cannot unmarshal"},
	} {
		a, b := pair(t)
		r, w := pipe(t)
		if len(c.data) > 0 {
			if err := unix.Sendmsg(int(a.Fd()), c.data, unix.UnixRights(int(w.Fd())), nil, 0); err != nil {
				t.Fatal(err)
			}
		}
		w.Close()
		a.Close()
		var v note
		files, err := Receive(b, &v)
		if err == nil || !strings.Contains(err.Error(), c.want) || files != nil {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if name == "nothing" != errors.Is(err, io.EOF) {
			t.Errorf("%s: io.EOF is the end between two messages: %v", name, err)
		}
		// What came with it is closed, too.
		if text, err := io.ReadAll(r); len(text) > 0 || err != nil {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}

func TestDescriptors(t *testing.T) {
	if fds, err := Descriptors(nil); fds != nil || err != nil {
		t.Errorf("%v, %v", fds, err)
	}
	if _, err := Descriptors([]byte{255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}); err == nil {
		t.Error("a control message longer than its buffer")
	}
	if fds, err := Descriptors(unix.UnixCredentials(&unix.Ucred{Pid: 1})); len(fds) > 0 || err != nil {
		t.Errorf("of credentials: %v, %v", fds, err)
	}
	if fds, err := Descriptors(unix.UnixRights(7, 8)); len(fds) != 2 || fds[1] != 8 || err != nil {
		t.Errorf("%v, %v", fds, err)
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, b := pair(t)
		if len(data) > 4096 {
			return
		}
		if _, err := a.Write(data); err != nil {
			t.Fatal(err)
		}
		a.Close()
		var n note
		_, _ = Receive(b, &n) // no panic, no wait
		b.Close()
	})
}
