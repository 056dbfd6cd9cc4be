// SPDX-License-Identifier: Apache-2.0

package api

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/websocket"
)

// websocket attaches to a container as a browser does.
func (u *user) websocket(host, container, query string) *websocket.Conn {
	u.t.Helper()
	raw, err := net.Dial("unix", strings.TrimPrefix(host, "unix://"))
	if err != nil {
		u.t.Fatal(err)
	}
	config, err := websocket.NewConfig("ws://d/v1.44/containers/"+container+"/attach/ws?"+query, "http://d")
	if err != nil {
		u.t.Fatal(err)
	}
	ws, err := websocket.NewClient(config, raw)
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { ws.Close() })
	return ws
}

// TestWebsocket carries what is typed and what comes, and ends with the process.
func TestWebsocket(t *testing.T) {
	u := newUser(t)
	u.busybox()
	host := u.engine()
	for name, more := range map[string][]string{"plain": nil, "terminal": {"-t"}} {
		u.ok(append(append([]string{"create", "-i", "--name", name}, more...), "busybox", "sh", "-c", "echo begun; read x; echo got $x")...)
		ws := u.websocket(host, name, "stream=1&stdin=1&stdout=1&stderr=1") // before the start: nothing is missed
		u.ok("start", name)
		if _, err := io.WriteString(ws, "word\n"); err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(ws)
		if text := strings.ReplaceAll(string(data), "\r", ""); err != nil || !strings.Contains(text, "begun\n") || !strings.HasSuffix(text, "got word\n") {
			t.Errorf("%s: %q %v", name, data, err)
		}
		late := u.websocket(host, name, "logs=1&stdout=1")
		if data, err := io.ReadAll(late); err != nil || !strings.Contains(string(data), "got word") {
			t.Errorf("%s: the log: %q %v", name, data, err)
		}
	}
}

// TestWebsocketIsLeft: a client that leaves, or never reads, keeps nobody.
func TestWebsocketIsLeft(t *testing.T) {
	u := newUser(t)
	u.busybox()
	host := u.engine()
	file := filepath.Join(u.home, "stop")
	u.ok("run", "-d", "--name", "loud", "-v", u.home+":/h", "busybox", "sh", "-c", "while [ ! -e /h/stop ]; do echo line; done; echo end")
	deaf := u.websocket(host, "loud", "stream=1&stdout=1")
	u.websocket(host, "loud", "stream=1&stdin=1&stdout=1").Close()
	if err := writeEmpty(file); err != nil {
		t.Fatal(err)
	}
	deaf.Close()
	if got := u.ok("wait", "loud"); got != "0" {
		t.Errorf("%q", got)
	}
}

func writeEmpty(file string) error { return os.WriteFile(file, nil, 0o600) }
