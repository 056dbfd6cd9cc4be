// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"net"
	"os"
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
