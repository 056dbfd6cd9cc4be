// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
	"coracle/pkg/wire/socket"
)

func pipes(t *testing.T, n int) (files []*os.File) {
	t.Helper()
	for len(files) < n {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		files = append(files, r, w)
	}
	return files[:n]
}

// TestSocket is how the two meet, in a directory however deep, and after another
// who has died there.
func TestSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 150), strings.Repeat("e", 150))
	if _, err := Dial(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("before there is one: %v", err)
	}
	for range 2 {
		l, err := Listen(dir)
		if err != nil {
			t.Fatal(err)
		}
		if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%v, %v", st.Mode(), err)
		}
		heard := make(chan Request, 1)
		go func() {
			u, err := l.AcceptUnix()
			if err != nil {
				t.Error(err)
				return
			}
			defer u.Close()
			var r Request
			if _, err := socket.New(u).Receive(&r); err != nil {
				t.Error(err)
			}
			heard <- r
		}()
		c, err := Dial(dir)
		if err != nil {
			t.Fatal(err)
		}
		zero := 0
		if err := c.Send(Request{Op: OpStop, Timeout: &zero}); err != nil {
			t.Error(err)
		}
		if r := <-heard; r.Op != OpStop || r.Timeout == nil || *r.Timeout != 0 {
			t.Errorf("%+v", r)
		}
		c.Close()
		l.Close()
		if _, err := Dial(dir); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("when nobody listens: %v", err)
		}
	}
	if err := os.WriteFile(filepath.Join(t.TempDir(), "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("/proc/self/status/x"); err == nil || !strings.HasPrefix(err.Error(), "create control socket: ") {
		t.Errorf("%v", err)
	}
}

// TestTaken sorts the descriptors of a start request: streams, sockets, namespace.
func TestTaken(t *testing.T) {
	for what, c := range map[string]struct {
		r                       Request
		files                   int
		streams, sockets, netns int // that it makes of them; -1: an error
	}{
		"nothing":                {Request{}, 0, 0, 0, 0},
		"streams":                {Request{}, 2, 2, 0, 0},
		"sockets":                {Request{Listen: 2}, 3, 1, 2, 0},
		"another's network":      {Request{Shared: &SharedNet{}}, 3, 2, 0, 1},
		"the host's":             {Request{Shared: &SharedNet{Host: true}}, 2, 2, 0, 0},
		"all":                    {Request{Listen: 1, Shared: &SharedNet{}}, 4, 2, 1, 1},
		"no namespace":           {Request{Shared: &SharedNet{}}, 0, 0, 0, -1},
		"more sockets than came": {Request{Listen: 3}, 2, 2, -1, 0},
		"less than none":         {Request{Listen: -1}, 2, 2, -1, 0},
	} {
		files := pipes(t, c.files)
		ns, err := c.r.TakeShared(&files)
		if (err != nil) != (c.netns < 0) || (ns != nil) != (c.netns > 0) {
			t.Errorf("%s: namespace %v, %v", what, ns, err)
		}
		sockets, err := c.r.TakeListening(&files)
		if (err != nil) != (c.sockets < 0) || len(sockets) != max(0, c.sockets) {
			t.Errorf("%s: %d sockets, %v", what, len(sockets), err)
		}
		if len(files) != c.streams {
			t.Errorf("%s: %d streams, want %d", what, len(files), c.streams)
		}
	}
}

type hinted struct{ error }

func (hinted) Hint() string { return "do this" }

// TestErrorsCross: what one side found out is what the other says.
func TestErrorsCross(t *testing.T) {
	sent := NewStartError(127, hinted{errors.New("no such program")})
	got := (&Reply{Event: EventError, Code: sent.Code, Error: sent.Message, Hint: sent.Hint()}).Err()
	if *got != *sent || got.Error() != "no such program" || hint.Of(got) != "do this" || got.Code != 127 {
		t.Errorf("%+v of %+v", got, sent)
	}
	lost := (&Reply{Event: EventLost, Stream: "/dev/stdout", Code: int(unix.ENOSPC)}).Lost()
	if !errors.Is(lost, unix.ENOSPC) || lost.Error() != "write /dev/stdout: no space left on device" {
		t.Errorf("%v", lost)
	}
}

// TestOutput writes all of it, also where somebody has made the description
// non-blocking, and says what was lost.
func TestOutput(t *testing.T) {
	files := pipes(t, 2)
	r, w := files[0], OpenOutput(files[1])
	defer w.Close()
	if err := unix.SetNonblock(int(w.Fd()), true); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("0123456789abcdef", 64<<10) // more than a pipe holds
	read := make(chan string, 1)
	go func() {
		data, _ := io.ReadAll(io.LimitReader(r, int64(len(text))))
		read <- string(data)
	}()
	if err := WriteOutput(w, "/dev/stdout", []byte(text)); err != nil {
		t.Error(err)
	}
	if data := <-read; data != text {
		t.Errorf("%d bytes of %d came", len(data), len(text))
	}
	r.Close()
	var lost *OutputError
	if err := WriteOutput(w, "/dev/stdout", []byte(text)); !errors.As(err, &lost) || lost.Stream != "/dev/stdout" || !errors.Is(err, unix.EPIPE) {
		t.Errorf("to nobody: %v", err)
	}
}

// TestOutputThatIsNoPipe is left as it is.
func TestOutputThatIsNoPipe(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if OpenOutput(f) != f {
		t.Error("a file was opened again")
	}
}
