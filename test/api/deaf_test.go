// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// TestDeaf: clients that ask for streams and never read them keep neither the
// container nor anybody else, and nothing is left of them when they go.
func TestDeaf(t *testing.T) {
	u := newUser(t)
	u.busybox()
	do := u.serve()
	u.ok("run", "-d", "--name", "loud", "busybox", "sh", "-c", "trap 'exit 0' TERM; while :; do echo 0123456789012345678901234567890123456789012345678901234567890123456789; done")
	status, text := do("POST", "/containers/loud/exec", `{"AttachStdout":true,"Cmd":["sh","-c","while :; do echo line; done"]}`)
	id, _, _ := strings.Cut(strings.TrimPrefix(text, `{"Id":"`), `"`)
	if status != 201 || len(id) != 64 {
		t.Fatalf("%d %s", status, text)
	}
	files := func() int {
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", u.server))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := files()
	var deaf []net.Conn
	for _, request := range []string{
		"POST /containers/loud/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
		"GET /containers/loud/logs?follow=1&stdout=1&tail=all HTTP/1.1\r\nHost: d\r\n\r\n",
		"GET /events?since=1 HTTP/1.1\r\nHost: d\r\n\r\n",
		"GET /containers/loud/stats HTTP/1.1\r\nHost: d\r\n\r\n",
		"POST /exec/" + id + "/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n{}",
	} {
		for range 5 {
			c, err := net.Dial("unix", filepath.Join(u.home, "s"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write([]byte(request)); err != nil {
				t.Fatal(err)
			}
			deaf = append(deaf, c)
		}
	}
	for range 20 { // others are answered, and the container is
		if status, text := do("GET", "/containers/json", ""); status != 200 || !strings.Contains(text, "/loud") {
			t.Fatalf("%d %s", status, text)
		}
	}
	if got := u.ok("exec", "loud", "echo", "heard"); got != "heard" {
		t.Errorf("%q", got)
	}
	testutil.Eventually(t, "what nobody reads takes no memory", func() bool { return u.resident() < 3*atRest })
	for _, c := range deaf {
		c.Close()
	}
	if status, text := do("POST", "/containers/loud/stop?t=5", ""); status != 204 {
		t.Errorf("%d %s", status, text)
	}
	testutil.Eventually(t, "nothing is left of them", func() bool { return files() <= before+4 })
}
