// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// crowd is how many clients come at once.
const crowd = 20

// asking is one request of one client, who waits for the answer as long as it likes.
type asking struct {
	c    net.Conn
	resp *http.Response
}

// begin sends a request to a socket, and returns once the answer has begun.
func begin(socket, method, path, body string) (*asking, error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	err = c.SetDeadline(time.Now().Add(testutil.Longest))
	if err == nil {
		_, err = fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
	}
	var resp *http.Response
	if err == nil {
		resp, err = http.ReadResponse(bufio.NewReader(c), nil)
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return &asking{c, resp}, nil
}

// end is the rest of the answer.
func (a *asking) end() (status int, text string) {
	defer a.c.Close()
	data, err := io.ReadAll(a.resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return a.resp.StatusCode, strings.TrimSpace(string(data))
}

// both serves the store by two processes, and returns who asks either.
func (u *user) both() func(i int, method, path, body string) (int, string) {
	u.serve()
	sockets := []string{filepath.Join(u.home, "s"), strings.TrimPrefix(u.engine(), "unix://")}
	return func(i int, method, path, body string) (int, string) {
		a, err := begin(sockets[i%2], method, path, body)
		if err != nil {
			return 0, err.Error()
		}
		return a.end()
	}
}

// TestOneOfMany: of many who want a name at once one gets it, by whichever process,
// and the others are told so in Docker's words.
func TestOneOfMany(t *testing.T) {
	u := newUser(t)
	u.busybox()
	do := u.both()
	for i := range crowd {
		if status, text := do(i, "POST", fmt.Sprint("/containers/create?name=made", i), `{"Image":"busybox"}`); status != 201 {
			t.Fatal(text)
		}
	}
	taken := `Conflict. The container name "/%s" is already in use by container "[0-9a-f]{64}". You have to remove \(or rename\) that container to be able to reuse that name.`
	for _, tt := range []struct {
		name, path, body string
		won              int    // status
		lost             string // what the others are told, with 409
	}{
		{"create", "/containers/create?name=one", `{"Image":"busybox"}`, 201, fmt.Sprintf(taken, "one")},
		{"rename", "/containers/made%d/rename?name=other", "", 204, "Error when allocating new name: " + fmt.Sprintf(taken, "other")},
		{"network", "/networks/create", `{"Name":"net"}`, 201, "network with name net already exists"},
		{"volume", "/volumes/create", `{"Name":"vol","Labels":{"a":"b"}}`, 201, ""},
		{"tag", "/images/busybox/tag?repo=other&tag=1", "", 201, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var all sync.WaitGroup
			status, text := make([]int, crowd), make([]string, crowd)
			for i := range crowd {
				all.Go(func() {
					path := tt.path
					if strings.Contains(path, "%d") {
						path = fmt.Sprintf(path, i)
					}
					status[i], text[i] = do(i, "POST", path, tt.body)
				})
			}
			all.Wait()
			won := 0
			for i := range crowd {
				var m struct{ Message string }
				_ = json.Unmarshal([]byte(text[i]), &m)
				switch {
				case status[i] == tt.won:
					won++
				case tt.lost == "" || status[i] != 409 || !regexp.MustCompile("^"+tt.lost+"$").MatchString(m.Message):
					t.Errorf("%d %s", status[i], text[i])
				}
			}
			if want := map[bool]int{true: 1, false: crowd}[tt.lost != ""]; won != want {
				t.Errorf("%d have got it, want %d", won, want)
			}
		})
	}
	for command, want := range map[string]string{
		"ps -a --filter name=^one$ --format {{.Names}}": "one", "ps -a --filter name=^other$ --format {{.Names}}": "other",
		"network ls --filter name=net --format {{.Name}}": "net", "volume ls -q": "vol", "images other --format {{.Tag}}": "1",
	} {
		if got := u.ok(words(command)...); got != want {
			t.Errorf("%s: %q", command, got)
		}
	}
}

// TestAllAtOnce: of many who want the same of one container each is told that it is so,
// or by whom it is done.
func TestAllAtOnce(t *testing.T) {
	u := newUser(t)
	u.busybox()
	do := u.both()
	u.ok("create", "--name", "one", "busybox", "sleep", "1000")
	u.ok("create", "--name", "brief", "--rm", "busybox", "sleep", "1000")
	for _, step := range []struct {
		method, path, state string
		answers             []int
	}{
		{"POST", "/containers/brief/start", "running\ncreated", []int{204, 304}},
		{"DELETE", "/containers/brief?force=1", "created", []int{204, 404, 409}},
		{"POST", "/containers/one/start", "running", []int{204, 304}},
		{"POST", "/containers/one/restart?t=0", "running", []int{204}},
		{"POST", "/containers/one/stop?t=0", "exited", []int{204, 304}},
		{"POST", "/containers/one/start", "running", []int{204, 304}},
		{"POST", "/containers/one/kill", "exited", []int{204, 409}},
		{"DELETE", "/containers/one?force=1", "", []int{204, 404, 409}},
	} {
		var all sync.WaitGroup
		for i := range crowd {
			all.Go(func() {
				if status, text := do(i, step.method, step.path, ""); !slices.Contains(step.answers, status) {
					t.Errorf("%s %s: %d %s", step.method, step.path, status, text)
				}
			})
		}
		all.Wait()
		if got := u.ok("ps", "-a", "--format", "{{.State}}"); got != step.state {
			t.Errorf("after %s %s: %q", step.method, step.path, got)
		}
	}
}

// TestListsWhileOthersWork: a list that is asked for after an answer knows of what that
// was about, whoever else makes and removes at the same time.
func TestListsWhileOthersWork(t *testing.T) {
	u := newUser(t)
	u.busybox()
	do := u.both()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for _, kind := range []struct{ create, body, list, remove string }{
				{"/containers/create?name=c%d", `{"Image":"busybox","HostConfig":{"Binds":["v%d:/v"]}}`, "/containers/json?all=1", "/containers/c%d?v=1"},
				{"/networks/create", `{"Name":"n%d"}`, "/networks", "/networks/n%d"},
				{"/volumes/create", `{"Name":"v%d"}`, "/volumes", "/volumes/v%d"},
			} {
				mine := func(s string) string { return strings.ReplaceAll(s, "%d", fmt.Sprint(i)) }
				for round := range 3 {
					if status, text := do(i+round, "POST", mine(kind.create), mine(kind.body)); status != 201 {
						t.Errorf("%s: %d %s", mine(kind.create), status, text)
						return
					}
					if status, text := do(i+round+1, "GET", kind.list, ""); status != 200 || !lists(text, mine(kind.remove)) {
						t.Errorf("after %s: %d %s", mine(kind.create), status, text)
					}
					if status, text := do(i+round, "DELETE", mine(kind.remove), ""); status != 204 {
						t.Errorf("%s: %d %s", mine(kind.remove), status, text)
						return
					}
					if status, text := do(i+round+1, "GET", kind.list, ""); status != 200 || lists(text, mine(kind.remove)) {
						t.Errorf("after %s: %d %s", mine(kind.remove), status, text)
					}
				}
			}
		})
	}
	all.Wait()
}

// lists reports whether a list has what an address is of. Everything in it is whole.
func lists(text, path string) bool {
	name := strings.SplitN(path, "?", 2)[0]
	name = name[strings.LastIndex(name, "/")+1:]
	type entry struct {
		ID, Name, Image, State, Driver string
		Names                          []string
	}
	var list []entry
	var of struct{ Volumes []entry }
	if json.Unmarshal([]byte(text), &list) != nil && json.Unmarshal([]byte(text), &of) != nil {
		return false
	}
	for _, e := range append(list, of.Volumes...) {
		if e.Driver == "" && (e.Image != "busybox" || e.State != "created" || len(e.ID) != 64 || len(e.Names) != 1) {
			return false
		}
		if e.Name == name || slices.Contains(e.Names, "/"+name) {
			return true
		}
	}
	return false
}

// TestNoEndIsMissed: who waits before a start hears of the end, with its code, however
// short it was, whoever starts the container, and if nothing is left of that.
func TestNoEndIsMissed(t *testing.T) {
	u := newUser(t)
	u.busybox()
	do := u.both()
	var all sync.WaitGroup
	for i := range crowd {
		all.Go(func() {
			name, goes := fmt.Sprint("short", i), i%2 == 1
			if status, text := do(i, "POST", "/containers/create?name="+name, fmt.Sprintf(`{"Image":"busybox","Cmd":["sh","-c","exit %d"],"HostConfig":{"AutoRemove":%t}}`, i, goes)); status != 201 {
				t.Error(status, text)
				return
			}
			waiting := map[string]*asking{}
			for _, how := range []string{"next-exit", "removed"} {
				for _, socket := range []string{"s", "docker.sock"} {
					a, err := begin(filepath.Join(u.home, socket), "POST", "/containers/"+name+"/wait?condition="+how, "")
					if err != nil {
						t.Error(err)
						return
					}
					waiting[how+" by "+socket] = a
				}
			}
			if i%3 == 0 {
				if r := u.result("start", name); r.Code != 0 {
					t.Errorf("%+v", r)
				}
			} else if status, text := do(i, "POST", "/containers/"+name+"/start", ""); status != 204 {
				t.Error(status, text)
			}
			want := fmt.Sprintf(`{"StatusCode":%d}`, i)
			if !goes {
				if status, text := do(i+1, "POST", "/containers/"+name+"/wait?condition=not-running", ""); status != 200 || text != want {
					t.Errorf("%s, not-running: %d %s", name, status, text)
				}
				if status, text := do(i+1, "DELETE", "/containers/"+name, ""); status != 204 {
					t.Error(status, text)
				}
			}
			for how, a := range waiting {
				if status, text := a.end(); status != 200 || text != want {
					t.Errorf("%s, %s: %d %s", name, how, status, text)
				}
			}
		})
	}
	all.Wait()
}

// TestHurried: clients that ask for something and are gone before the answer leave
// nothing half done: who looks afterwards finds it done or not, and can go on.
func TestHurried(t *testing.T) {
	u := newUser(t)
	u.busybox()
	do := u.serve()
	u.ok("run", "--name", "first", "-v", "first:/bin", "busybox", "true") // what is made once
	u.ok("commit", "first", "first")
	u.ok("rmi", "first")
	u.ok("rm", "first")
	u.ok("volume", "rm", "first")
	before := u.kept()
	const hurried = 6
	name := func(i int) string { return fmt.Sprint("hurried", i) }
	for _, step := range []struct {
		method, path, body string
		done               []int    // what the same request says afterwards
		states             []string // of the container then
	}{
		{"POST", "/containers/create?name=NAME", `{"Image":"busybox","Cmd":["sleep","1000"],"HostConfig":{"Binds":["of-NAME:/bin"]}}`, []int{201, 409}, []string{"created"}},
		{"POST", "/containers/NAME/start", "", []int{204, 304}, []string{"running"}},
		{"POST", "/containers/NAME/restart?t=0", "", []int{204}, []string{"running"}},
		{"POST", "/containers/NAME/stop?t=0", "", []int{204, 304}, []string{"exited"}},
		{"POST", "/commit?container=NAME&repo=NAME", "", []int{201}, []string{"exited"}},
		{"DELETE", "/images/NAME", "", []int{200, 404}, []string{"exited"}},
		{"DELETE", "/containers/NAME?force=1", "", []int{204, 404}, nil},
		{"DELETE", "/volumes/of-NAME", "", []int{204, 404}, nil},
	} {
		of := func(s string, i int) string { return strings.ReplaceAll(s, "NAME", name(i)) }
		for i := range hurried {
			c := u.dial()
			fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", step.method, of(step.path, i), len(of(step.body, i)), of(step.body, i))
			c.Close()
		}
		last, err := begin(filepath.Join(u.home, "s"), "GET", "/_ping", "") // whose turn is after theirs
		if err != nil {
			t.Fatal(err)
		}
		last.end()
		testutil.Eventually(t, "nobody is at work any more", func() bool { return u.connections() <= 2 && len(u.children()) == 0 })
		for i := range hurried {
			if strings.Contains(step.path, "restart") { // is done whole
				if pid := u.ok("inspect", "-f", "{{.State.Pid}}", name(i)); pid == "0" {
					t.Errorf("%s is not started again", name(i))
				}
			}
			status, text := do(step.method, of(step.path, i), of(step.body, i))
			if !slices.Contains(step.done, status) {
				t.Errorf("%s %s: %d %s", step.method, of(step.path, i), status, text)
			}
			if len(step.states) == 0 {
				continue
			}
			var c struct{ State struct{ Status string } }
			if _, text = do("GET", of("/containers/NAME/json", i), ""); json.Unmarshal([]byte(text), &c) != nil || !slices.Contains(step.states, c.State.Status) {
				t.Errorf("after %s %s: %s", step.method, of(step.path, i), text)
			}
		}
	}
	do("POST", "/images/prune", "") // those whose name went to another
	if now := u.kept(); !slices.Equal(now, before) {
		t.Errorf("left\n%s\nof\n%s", strings.Join(now, "\n"), strings.Join(before, "\n"))
	}
}
