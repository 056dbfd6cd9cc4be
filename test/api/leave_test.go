// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"coracle/internal/testutil"
)

// largeFile is more than what fits into the sockets and pipes on the way, in bytes.
const largeFile = 8 << 20

// noise is as much text that does not become smaller.
func noise(seed byte) string {
	data := make([]byte, largeFile)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data)
	return string(data)
}

// hesitant is a registry that gives half of a large blob while it is slow, or takes
// it and does not answer, until its client leaves.
type hesitant struct {
	host    string
	slow    atomic.Bool
	reached atomic.Bool // a client is in the middle
	left    atomic.Bool // and has gone
}

func newHesitant(t *testing.T) *hesitant {
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	h := &hesitant{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		if h.slow.Load() && len(body) > largeFile/2 {
			h.wait(r)
			return
		}
		inner.ServeHTTP(answer, r)
		for key, values := range answer.Header() {
			w.Header()[key] = values
		}
		w.WriteHeader(answer.Code)
		if all := answer.Body.Bytes(); !h.slow.Load() || len(all) < largeFile/2 {
			_, _ = w.Write(all)
			return
		}
		_, _ = w.Write(answer.Body.Bytes()[:largeFile/2])
		_ = http.NewResponseController(w).Flush()
		h.wait(r)
	}))
	t.Cleanup(srv.Close)
	h.host = strings.TrimPrefix(srv.URL, "http://")
	return h
}

func (h *hesitant) wait(r *http.Request) {
	h.reached.Store(true)
	<-r.Context().Done()
	h.left.Store(true)
}

// dial is a connection of a client's own to what serve has begun.
func (u *user) dial() *net.UnixConn {
	u.t.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: filepath.Join(u.home, "s"), Net: "unix"})
	if err != nil {
		u.t.Fatal(err)
	}
	return c
}

// open is how many files the process that serves has open.
func (u *user) open() int {
	u.t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", u.server))
	if err != nil {
		u.t.Fatal(err)
	}
	return len(list)
}

// connections are how many sockets the process that serves has: one that it listens
// on, and those of clients.
func (u *user) connections() (n int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", u.server))
	for _, file := range files {
		if to, _ := os.Readlink(file); strings.HasPrefix(to, "socket:") { // or it is closed
			n++
		}
	}
	return n
}

// children are the processes that the one that serves has begun, but for the
// supervisors of containers.
func (u *user) children() (list []string) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		data, _ := os.ReadFile(file) // or it has ended
		_, rest, _ := strings.Cut(string(data), ") ")
		args, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if f := strings.Fields(rest); len(f) > 1 && f[1] == fmt.Sprint(u.server) && f[0] != "Z" && !strings.HasPrefix(string(args), "coracle-supervise") {
			list = append(list, string(data))
		}
	}
	return list
}

// kept is what there is in the store of images, layers, containers, volumes, cached
// steps and files that were not finished.
func (u *user) kept() []string {
	u.t.Helper()
	var all []string
	for _, dir := range []string{"tmp", "images", "containers", "names", "volumes", "buildcache", "storage/overlay", "storage/overlay/l", "storage/overlay/staging", "storage/overlay/tempdirs", "storage/overlay-layers", "storage/overlay-layers/tmp", "storage/overlay-images"} {
		list, err := os.ReadDir(filepath.Join(u.home, "root", dir))
		if err != nil && !os.IsNotExist(err) {
			u.t.Fatal(err)
		}
		for _, e := range list {
			all = append(all, dir+"/"+e.Name())
		}
	}
	return all
}

// TestLeaving: what a client has asked for ends when it leaves in the middle, nothing
// is left of it, and whoever asks for the same again gets it.
func TestLeaving(t *testing.T) {
	u := newUser(t)
	u.busybox()
	reg := newHesitant(t)
	large := testutil.File{Name: "large", Text: noise(1)}
	here, there := reg.host+"/here:1", reg.host+"/there:1"
	for name, seed := range map[string]byte{here: 1, there: 2} {
		u.write(testutil.File{Name: "big/Dockerfile", Text: "FROM busybox\nCOPY large /\n"}, testutil.File{Name: "big/large", Text: noise(seed)})
		u.ok("build", "-t", name, filepath.Join(u.home, "big"))
	}
	u.ok("push", there)
	u.ok("rmi", there)
	u.ok("tag", here, "big")
	u.ok("create", "--name", "idle", "big")
	u.ok("run", "-d", "--name", "up", "big", "sleep", "1000")
	u.ok("run", "--name", "slow", "busybox", "truncate", "-s", "256M", "/f")
	u.ok("create", "--name", "quick", "busybox")
	u.ok("builder", "prune", "-af")
	archive, err := testutil.Tar([]testutil.File{large})
	if err != nil {
		t.Fatal(err)
	}
	saved := u.result("save", "big").Out
	context, err := testutil.Tar([]testutil.File{{Name: "slow", Text: "FROM busybox\nRUN echo begun && sleep 31.4159\n"}, {Name: "quick", Text: "FROM busybox\nRUN echo quick\n"}, large})
	if err != nil {
		t.Fatal(err)
	}
	do := u.serve()
	for _, tt := range []struct {
		name, method, path, body string
		sent                     int    // of the body
		until                    string // what is read before it leaves
	}{
		{"pull", "POST", "/images/create?fromImage=" + there, "", 0, ""},
		{"push", "POST", "/images/" + here + "/push", "", 0, ""},
		{"import", "POST", "/images/create?fromSrc=-&repo=half", string(archive), largeFile / 2, ""},
		{"load", "POST", "/images/load", saved, largeFile / 2, ""},
		{"save", "GET", "/images/get?names=big", "", 0, "large"},
		{"into", "PUT", "/containers/idle/archive?path=/", string(archive), largeFile / 2, ""},
		{"into what runs", "PUT", "/containers/up/archive?path=/", string(archive), largeFile / 2, ""},
		{"out", "GET", "/containers/idle/archive?path=/large", "", 0, "large"},
		{"out of what runs", "GET", "/containers/up/archive?path=/large", "", 0, "large"},
		{"export", "GET", "/containers/idle/export", "", 0, "bin"},
		{"export of what runs", "GET", "/containers/up/export", "", 0, "bin"},
		{"context", "POST", "/build?t=half&dockerfile=quick", string(context), largeFile / 2, ""},
		{"step", "POST", "/build?t=half&dockerfile=slow", string(context), len(context), "begun"},
		{"commit", "POST", "/commit?container=slow&repo=half", "", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u.t = t
			before, files := u.kept(), u.open()
			reg.slow.Store(true)
			reg.reached.Store(false)
			reg.left.Store(false)
			c := u.dial()
			defer c.Close()
			fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\nContent-Length: %d\r\n\r\n", tt.method, tt.path, len(tt.body))
			if _, err := io.WriteString(c, tt.body[:tt.sent]); err != nil {
				t.Fatal(err)
			}
			if err := c.SetReadDeadline(time.Now().Add(testutil.Longest)); err != nil {
				t.Fatal(err)
			}
			piece := make([]byte, 64<<10)
			for seen := []byte{}; !bytes.Contains(seen, []byte(tt.until)); {
				n, err := c.Read(piece)
				if seen = append(seen, piece[:n]...); err != nil {
					t.Fatalf("%v after %.1000q", err, seen)
				}
			}
			if strings.HasPrefix(tt.name, "pu") {
				testutil.Eventually(t, "the registry is asked", reg.reached.Load)
			}
			if tt.name == "commit" { // which says nothing before its end
				testutil.Eventually(t, "somebody is at work", func() bool { return len(u.children()) > 0 })
			}
			if len(u.children()) == 0 && !strings.Contains(tt.name, "runs") { // what runs does its own
				t.Fatal("nobody is at work")
			}
			c.Close()
			if strings.HasPrefix(tt.name, "pu") {
				testutil.Eventually(t, "the registry is left", reg.left.Load)
			}
			reg.slow.Store(false)
			testutil.Eventually(t, "the work ends", func() bool { return len(u.children()) == 0 && u.open() <= files+1 })
			if now := u.kept(); !slices.Equal(now, before) {
				t.Errorf("left\n%s\nof\n%s", strings.Join(now, "\n"), strings.Join(before, "\n"))
			}
			if status, text := do(tt.method, strings.Replace(tt.path, "slow", "quick", 1), tt.body); status >= 300 || strings.Contains(text, "errorDetail") {
				t.Errorf("again: %d %.300s", status, text)
			}
		})
	}
	u.t = t
}
