// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
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
	u.ok("create", "--name", "idle", "busybox")
	status, text := do("POST", "/containers/loud/exec", `{"AttachStdout":true,"Cmd":["sh","-c","while :; do echo line; done"]}`)
	id, _, _ := strings.Cut(strings.TrimPrefix(text, `{"Id":"`), `"`)
	if status != 201 || len(id) != 64 {
		t.Fatalf("%d %s", status, text)
	}
	context, err := testutil.Tar([]testutil.File{{Name: "Dockerfile", Text: "FROM busybox\nRUN yes 0123456789 | head -c 20000000\n"}, {Name: "quick", Text: "FROM busybox\nRUN true\n"}})
	if err != nil {
		t.Fatal(err)
	}
	before := u.open()
	requests := []string{
		"POST /containers/loud/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
		"GET /containers/loud/logs?follow=1&stdout=1&tail=all HTTP/1.1\r\nHost: d\r\n\r\n",
		"GET /events?since=1 HTTP/1.1\r\nHost: d\r\n\r\n",
		"GET /containers/loud/stats HTTP/1.1\r\nHost: d\r\n\r\n",
		"GET /images/get?names=busybox HTTP/1.1\r\nHost: d\r\n\r\n",
		"GET /containers/loud/export HTTP/1.1\r\nHost: d\r\n\r\n",
		"GET /containers/idle/archive?path=/ HTTP/1.1\r\nHost: d\r\n\r\n",
		fmt.Sprintf("POST /build HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\nContent-Length: %d\r\n\r\n%s", len(context), context),
		"POST /exec/" + id + "/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n{}",
	}
	ask := func(times int) (deaf []*net.UnixConn) {
		for _, request := range slices.Repeat(requests, times) {
			c := u.dial()
			if _, err := c.Write([]byte(request)); err != nil {
				t.Fatal(err)
			}
			deaf = append(deaf, c)
		}
		return deaf
	}
	leave := func(deaf []*net.UnixConn) {
		for _, c := range deaf {
			c.Close()
		}
	}
	deaf := ask(5)
	defer leave(deaf)
	testutil.Eventually(t, "those who save, archive and build are at work", func() bool { return len(u.children()) >= 3*5 })
	for range 20 { // others are answered, and the container is
		if status, text := do("GET", "/containers/json", ""); status != 200 || !strings.Contains(text, "/loud") {
			t.Fatalf("%d %s", status, text)
		}
	}
	for _, r := range []struct{ method, path, body string }{
		{"POST", "/build?dockerfile=quick&t=quick", string(context)}, {"POST", "/commit?container=idle&repo=made", ""}, {"POST", "/images/made/tag?repo=other", ""}, {"DELETE", "/images/other", ""},
		{"DELETE", "/images/made", ""}, {"POST", "/images/prune", ""}, {"POST", "/containers/create?name=more", `{"Image":"busybox"}`}, {"DELETE", "/containers/more", ""}, {"GET", "/system/df", ""},
	} {
		if status, text := do(r.method, r.path, r.body); status >= 300 || strings.Contains(text, "errorDetail") {
			t.Errorf("%s %s: %d %s", r.method, r.path, status, text)
		}
	}
	if got := u.ok("exec", "loud", "echo", "heard"); got != "heard" {
		t.Errorf("%q", got)
	}
	testutil.Eventually(t, "what nobody reads takes no memory", func() bool { return u.resident() < 3*atRest })
	leave(deaf)
	if status, text := do("POST", "/containers/loud/stop?t=5", ""); status != 204 {
		t.Errorf("%d %s", status, text)
	}
	testutil.Eventually(t, "nothing is left of them", func() bool { return u.open() <= before+4 && len(u.children()) == 0 })
	u.ok("start", "loud")
	defer leave(ask(1))
	testutil.Eventually(t, "they are at work again", func() bool { return len(u.children()) >= 3 })
	if err := syscall.Kill(u.server, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the program ends when it is told to", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", u.server))
		return err == nil && strings.Contains(string(stat), ") Z ")
	})
}
