// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Manager is the service manager that waits for this process's word.
type Manager struct {
	socket string
	other  bool // another process is the service's main one
}

// TakeManager is the manager that started this process as a service of
// Type=notify, or nil. The word about it is taken out of the environment: what
// this process starts is not the service.
func TakeManager() *Manager {
	name := os.Getenv("NOTIFY_SOCKET")
	os.Unsetenv("NOTIFY_SOCKET")
	if !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "@") {
		return nil // another machine's (vsock), or none
	}
	main := os.Getenv("SYSTEMD_EXEC_PID")
	return &Manager{socket: name, other: main != "" && main != strconv.Itoa(os.Getpid())}
}

// Stopping tells that the service ends, which is for its main process to say: one
// that a service calls on the way ends alone.
func (m *Manager) Stopping() {
	if m != nil && !m.other {
		m.Tell("STOPPING=1")
	}
}

// Tell sends assignments such as READY=1. A nil Manager takes everything. What
// does not arrive is no matter: the service runs, and its manager gives it up.
func (m *Manager) Tell(assignments ...string) {
	if m == nil {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.socket, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(strings.Join(assignments, "\n")))
}

// Inside is a socket for programs that are no processes of the service's own, such
// as those of a container, to speak to the manager by.
type Inside struct {
	conn *net.UnixConn
	name string
}

// InsideSocket is the socket's name in its directory.
const InsideSocket = "notify.sock"

// Listen makes the socket in a directory that is made for it; everybody who is
// shown that may write. Close removes both.
func Listen(dir string) (*Inside, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("listen for the container's word: %w", err)
	}
	at, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("listen for the container's word: %w", err)
	}
	defer at.Close()
	i := &Inside{name: filepath.Join(dir, InsideSocket)}
	short := fmt.Sprintf("/proc/self/fd/%d/%s", at.Fd(), InsideSocket) // a path may have 107 bytes, unix(7)
	i.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: short, Net: "unixgram"})
	if err == nil {
		err = os.Chmod(i.name, 0o666)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		i.Close()
		return nil, fmt.Errorf("listen for the container's word: %w", err)
	}
	return i, nil
}

// Dir is the socket's directory.
func (i *Inside) Dir() string { return filepath.Dir(i.name) }

// Close ends Forward.
func (i *Inside) Close() {
	if i == nil {
		return
	}
	if i.conn != nil {
		i.conn.Close()
	}
	_ = os.Remove(i.name)
	_ = os.Remove(filepath.Dir(i.name))
}

// told are the assignments that a container may make (sd_notify(3)). Others are about
// processes and descriptors of the service, which are not the container's to name.
func told() []string {
	return []string{"READY", "STATUS", "RELOADING", "MONOTONIC_USEC", "STOPPING", "ERRNO", "BUSERROR", "WATCHDOG", "EXTEND_TIMEOUT_USEC"}
}

// Forward tells the manager what is said inside, until Close. Descriptors that come
// along are closed, which is all that a barrier waits for.
func (i *Inside) Forward(m *Manager) {
	buf := make([]byte, 1<<12)
	for {
		n, err := i.conn.Read(buf)
		if err != nil {
			return
		}
		lines := slices.DeleteFunc(strings.Split(string(buf[:n]), "\n"), func(line string) bool {
			key, _, ok := strings.Cut(line, "=")
			return !ok || !slices.Contains(told(), key)
		})
		if len(lines) > 0 {
			m.Tell(lines...)
		}
	}
}
