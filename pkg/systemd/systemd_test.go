// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBusAddress(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	if got := busAddress(); got != "" || HasBus() {
		t.Errorf("no bus: %q", got)
	}
	if err := Reload(t.Context()); !errors.Is(err, ErrNoManager) {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bus"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := busAddress(); got != "unix:path="+dir+"/bus" {
		t.Errorf("%q", got)
	}
	if err := Reload(t.Context()); !errors.Is(err, ErrNoManager) {
		t.Errorf("a dead bus: %v", err)
	}
	if got := ActiveState(t.Context(), "x.service"); got != "" {
		t.Errorf("%q", got)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/elsewhere")
	if got := busAddress(); got != "unix:path=/elsewhere" {
		t.Errorf("%q", got)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	if got := runtimeDir(); !strings.HasPrefix(got, "/run/user/") {
		t.Errorf("%q", got)
	}
}

func TestManagerIsTold(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	for _, name := range []string{socket, "@coracle-test-" + filepath.Base(filepath.Dir(socket))} {
		l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("NOTIFY_SOCKET", name)
		m := TakeManager()
		if _, there := os.LookupEnv("NOTIFY_SOCKET"); there || m == nil {
			t.Errorf("%s: still there: %t, %v", name, there, m)
		}
		m.Tell("READY=1", "STATUS=it runs")
		buf := make([]byte, 100)
		n, err := l.Read(buf)
		if got := string(buf[:n]); err != nil || got != "READY=1\nSTATUS=it runs" {
			t.Errorf("%q %v", got, err)
		}
		m.Stopping()
		if n, err := l.Read(buf); err != nil || string(buf[:n]) != "STOPPING=1" {
			t.Errorf("%q %v", buf[:n], err)
		}
		t.Setenv("NOTIFY_SOCKET", name)
		t.Setenv("SYSTEMD_EXEC_PID", "1")
		other := TakeManager()
		other.Stopping()
		other.Tell("READY=1")
		if n, err := l.Read(buf); err != nil || string(buf[:n]) != "READY=1" {
			t.Errorf("not the main process: %q %v", buf[:n], err)
		}
		t.Setenv("SYSTEMD_EXEC_PID", "")
		l.Close()
		m.Stopping() // to nobody
	}
	for _, none := range []string{"", "vsock:2:1234"} {
		t.Setenv("NOTIFY_SOCKET", none)
		m := TakeManager()
		if m != nil {
			t.Errorf("%q is a manager's", none)
		}
		m.Tell("READY=1")
		m.Stopping()
	}
}

// What a container says about itself reaches the manager, and nothing else.
func TestInside(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 25), "notify")
	inside, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(filepath.Join(inside.Dir(), InsideSocket))
	if err != nil || st.Mode().Perm() != 0o666 {
		t.Errorf("%v %v", st, err)
	}
	done := make(chan struct{})
	go func() { inside.Forward(&Manager{socket: socket}); close(done) }()
	t.Chdir(dir) // the path is too long for an address
	c, err := net.Dial("unixgram", InsideSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, said := range []string{"MAINPID=1", "FDSTORE=1\nFDNAME=x", "nonsense", "READY=1\nMAINPID=1\nSTATUS=well\nBARRIER=1"} {
		if _, err := c.Write([]byte(said)); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 100)
	n, err := l.Read(buf)
	if got := string(buf[:n]); err != nil || got != "READY=1\nSTATUS=well" {
		t.Errorf("%q %v", got, err)
	}
	inside.Close()
	<-done
	if _, err := os.Stat(dir); err == nil {
		t.Error("the directory is left")
	}
}
