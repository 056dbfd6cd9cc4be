// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"net"
	"os"
	"strings"
)

// Manager is the service manager that waits for this process's word.
type Manager struct{ socket string }

// TakeManager is the manager that started this process as a service of
// Type=notify, or nil. The word about it is taken out of the environment: what
// this process starts is not the service.
func TakeManager() *Manager {
	name := os.Getenv("NOTIFY_SOCKET")
	os.Unsetenv("NOTIFY_SOCKET")
	if !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "@") {
		return nil // another machine's (vsock), or none
	}
	return &Manager{name}
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
