// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

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

func TestR10_MessagesOfAnyLength(t *testing.T) {
	for _, size := range []int{0, 1, 64 << 10, 3 << 20} {
		a, b := pair(t)
		sent := make(chan error, 1)
		go func() {
			sent <- WriteMessage(a, Config{Spec: &specs.Spec{Hostname: strings.Repeat("x", size)}, Single: true}, nil)
		}()
		var c Config
		if _, err := ReadMessage(b, &c); err != nil || len(c.Spec.Hostname) != size || !c.Single {
			t.Errorf("%d bytes: %v", size, err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
}

func TestMessageCarriesADescriptor(t *testing.T) {
	a, b := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := WriteMessage(a, Answer{HostPid: 5}, w); err != nil {
		t.Fatal(err)
	}
	w.Close()
	var got Answer
	f, err := ReadMessage(b, &got)
	if err != nil || f == nil || got.HostPid != 5 {
		t.Fatalf("%+v, %v", got, err)
	}
	if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("the descriptor would survive an execve: %v", err)
	}
	if _, err := f.WriteString("x"); err != nil {
		t.Error(err)
	}
	f.Close()
	if text, err := io.ReadAll(r); string(text) != "x" || err != nil {
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
		if _, err := a.Write(c.data); err != nil {
			t.Fatal(err)
		}
		a.Close()
		var v Answer
		if _, err := ReadMessage(b, &v); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	if err := (Answer{HostPid: 1}).err(); err != nil {
		t.Error(err)
	}
	err := Answer{Error: "exec x", Errno: int(unix.ENOENT), Exec: true}.err()
	var xe *ExecError
	if !errors.As(err, &xe) || !errors.Is(err, unix.ENOENT) || err.Error() != "exec x" {
		t.Errorf("%v", err)
	}
	err = Answer{Error: "mount x", Errno: int(unix.EPERM)}.err()
	if errors.As(err, &xe) || !errors.Is(err, unix.EPERM) {
		t.Errorf("%v", err)
	}
}

func FuzzReadMessage(f *testing.F) {
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
		var c Config
		_, _ = ReadMessage(b, &c) // no panic, no wait
		b.Close()
	})
}

// TestR1: nobody can write through the path that stages are started from.
func TestR1_OwnProgramIsSealed(t *testing.T) {
	for name, open := range map[string]func() (int, error){"read-only mount": readOnlySelf, "copy": copiedSelf} {
		fd, err := open()
		if err != nil {
			t.Logf("%s: %v", name, err) // a mount takes a user namespace
			continue
		}
		path := "/proc/self/fd/" + strconv.Itoa(fd)
		if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			if _, err := f.WriteString("x"); err == nil {
				t.Errorf("%s was written", name)
			}
			f.Close()
		}
		own, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		if copied, err := os.ReadFile(path); err != nil || string(copied) != string(own) {
			t.Errorf("%s is another program: %v", name, err)
		}
		unix.Close(fd)
	}
}
