// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"coracle/internal/testutil"
	"coracle/pkg/container"
	"coracle/pkg/docker"
)

// made is a container that was never started, of an image that is not there.
func made(t *testing.T, s *served, name string, change func(*container.Record)) *container.Container {
	t.Helper()
	r := &container.Record{Name: name, Image: "example", ImageID: strings.Repeat("a", 64), Life: container.Life{LogDriver: "json-file", Restart: container.Restart{Name: "no"}}}
	r.Process.Cmd, r.Net.Mode = []string{"sleep", "1"}, "none"
	if change != nil {
		change(r)
	}
	if err := s.e.containers().Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	c, err := s.e.containers().Load(r.ID)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestContainerRefusals: the statuses and sentences that clients look for.
func TestContainerRefusals(t *testing.T) {
	s := serve(t)
	web := made(t, s, "web", nil)
	made(t, s, "shop", nil)
	quiet := made(t, s, "quiet", func(r *container.Record) { r.Life.LogDriver = "none" })
	missing := "No such container: nosuch"
	down := "container " + web.ID + " is not running"
	for _, verb := range []string{"start", "stop", "restart", "kill", "pause", "unpause", "wait", "resize?h=1&w=1", "attach", "rename?name=xy"} {
		want := missing
		switch verb {
		case "kill":
			want = "cannot kill container: nosuch: " + missing
		}
		checkRefusals(t, s, []refusal{{"POST", "/v1.44/containers/nosuch/" + verb, "", 404, want}})
	}
	for _, what := range []string{"json", "logs?stdout=1", "top", "stats", "changes", "export", "archive?path=/"} {
		checkRefusals(t, s, []refusal{{"GET", "/containers/nosuch/" + what, "", 404, missing}})
	}
	checkRefusals(t, s, []refusal{
		{"DELETE", "/containers/nosuch", "", 404, missing},
		{"DELETE", "/containers/nosuch?force=1", "", 404, missing},
		{"DELETE", "/containers/web?link=1", "", 501, ""},
		{"POST", "/containers/web/start", `{"Binds":["/:/x"]}`, 400, "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24"},
		{"POST", "/containers/web/start?checkpoint=x", "", 501, ""},
		{"POST", "/containers/web/stop", "", 304, ""},
		{"POST", "/containers/web/stop?t=x", "", 400, ""},
		{"POST", "/containers/web/stop?signal=NOSUCH", "", 400, "invalid signal: NOSUCH"},
		{"POST", "/containers/web/kill", "", 409, "cannot kill container: web: " + down},
		{"POST", "/containers/web/kill?signal=NOSUCH", "", 400, "invalid signal: NOSUCH"},
		{"POST", "/containers/web/pause", "", 409, down},
		{"POST", "/containers/web/rename", "", 400, "Neither old nor new names may be empty"},
		{"POST", "/containers/web/rename?name=web", "", 400, "Renaming a container with the same name as its current name"},
		{"POST", "/containers/web/rename?name=a%20b", "", 400, "Error when allocating new name: Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"},
		{"POST", "/containers/web/rename?name=shop", "", 409, ""},
		{"POST", "/containers/web/wait?condition=x", "", 400, `invalid condition: "x"`},
		{"POST", "/containers/web/resize?h=1&w=1", "", 409, down},
		{"POST", "/containers/web/resize?h=x&w=1", "", 400, `invalid resize height "x": invalid syntax`},
		{"POST", "/containers/web/resize?h=1&w=-1", "", 400, `invalid resize width "-1": value out of range`},
		{"GET", "/containers/web/top", "", 409, down},
		{"GET", "/containers/web/top?ps_args=--nosuch", "", 400, ""},
		{"GET", "/containers/web/logs", "", 400, "Bad parameters: you must choose at least one stream"},
		{"GET", "/containers/web/logs?stdout=1&since=x", "", 400, ""},
		{"GET", "/containers/quiet/logs?stdout=1", "", 501, "configured logging driver does not support reading"},
		{"GET", "/containers/web/attach/ws", "", 400, "bad parameter: the request is none for a websocket (RFC 6455)"},
		{"POST", "/containers/web/attach?detachKeys=nosuch", "", 400, "Invalid detach keys (nosuch) provided"},
		{"GET", "/containers/web/archive", "", 400, "bad parameter: path cannot be empty"},
		{"PUT", "/containers/web/archive", "", 400, "bad parameter: path cannot be empty"},
		{"POST", "/containers/web/exec", `{}`, 400, "No exec command specified"},
		{"POST", "/containers/web/exec", `{"Cmd":["true"]}`, 409, down},
		{"POST", "/exec/" + web.ID + "/start", `{}`, 404, "No such exec instance: " + web.ID},
		{"POST", "/exec/x/resize?h=1&w=1", "", 404, "No such exec instance: x"},
		{"GET", "/exec/x/json", "", 404, "No such exec instance: x"},
		{"POST", "/containers/web/update", `{"Memory":"x"}`, 400, ""},
		{"POST", "/containers/create", "", 400, "config cannot be empty in order to create a container"},
		{"POST", "/containers/create", `{}`, 400, "config cannot be empty in order to create a container"},
		{"POST", "/containers/create", `{"Image":"nosuch","Cmd":["true"]}`, 404, "No such image: nosuch:latest"},
		{"POST", "/containers/create", `{"Image":"UPPER","Cmd":["true"]}`, 400, ""},
		{"POST", "/containers/create", `{"Image":"x","Cmd":5}`, 400, ""},
		{"POST", "/v1.43/containers/create", `{"Image":"x","NetworkingConfig":{"EndpointsConfig":{"b":{},"a":{}}}}`, 400, "Container cannot be created with multiple network endpoints: a, b"},
		{"GET", `/containers/json?filters={"status":["nosuch"]}`, "", 400, "invalid filter 'status=nosuch'"},
		{"GET", `/containers/json?filters={"nosuch":{"x":true}}`, "", 400, "invalid filter 'nosuch'"},
		{"GET", `/containers/json?filters=[1]`, "", 400, ""},
		{"GET", `/containers/json?limit=x`, "", 400, ""},
	})
	_ = quiet
}

// TestContainerAnswers are those about containers that do not run.
func TestContainerAnswers(t *testing.T) {
	s := serve(t)
	web := made(t, s, "web", func(r *container.Record) { r.Labels = map[string]string{"k": "v"} })
	made(t, s, "shop", nil)
	count := func(query string) int {
		t.Helper()
		var list []struct{ Id string }
		resp, body := s.ask(t, "GET", "/containers/json"+query, "")
		if err := json.Unmarshal([]byte(body), &list); err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %d %s", query, resp.StatusCode, body)
		}
		return len(list)
	}
	for query, want := range map[string]int{
		"": 0, "?all=1": 2, "?all=1&limit=1": 1, "?limit=1": 1, "?limit=-1": 0,
		`?all=true&filters={"label":["k=v"]}`: 1, `?all=1&filters={"label":{"k":true}}`: 1, `?filters={"status":["created"]}`: 2, `?all=1&since=web`: 1,
	} {
		if got := count(query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	var c struct {
		Id, Name string
		State    struct{ Status string }
		SizeRw   *int64
	}
	if _, body := s.ask(t, "GET", "/containers/"+web.ID[:10]+"/json?size=1", ""); json.Unmarshal([]byte(body), &c) != nil || c.Id != web.ID || c.Name != "/web" || c.State.Status != "created" || c.SizeRw == nil {
		t.Errorf("%s", body)
	}
	if _, body := s.ask(t, "GET", "/containers/web/stats?stream=0", ""); !strings.Contains(body, `"name":"/web"`) || strings.Contains(body, "os_type") {
		t.Errorf("what is there since 1.52: %s", body)
	}
	for _, tt := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"POST", "/containers/web/wait", 200, `{"StatusCode":0}`},
		{"POST", "/v1.29/containers/web/wait", 200, `{"StatusCode":0}`},
		{"GET", "/containers/web/logs?stdout=1&follow=1", 200, ""},
		{"POST", "/containers/web/rename?name=/mart", 204, ""},
		{"DELETE", "/containers/mart?v=1", 204, ""},
		{"POST", "/containers/prune", 200, ""},
	} {
		resp, body := s.ask(t, tt.method, tt.path, "")
		if resp.StatusCode != tt.status || tt.body != "" && strings.TrimSpace(body) != tt.body {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, resp.StatusCode, body)
		}
	}
	if n := count("?all=1"); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// dial is a connection of a client's own.
func (s *served) dial(t *testing.T) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: s.socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// descriptors are how many files this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// nothingLeft checks that what a test has begun ends without a goroutine or a
// descriptor of it.
func nothingLeft(t *testing.T, before func()) {
	t.Helper()
	before() // what is made once
	routines, files := runtime.NumGoroutine(), descriptors(t)
	for range 20 {
		before()
	}
	testutil.Eventually(t, "all of them have ended", func() bool {
		return runtime.NumGoroutine() <= routines+2 && descriptors(t) <= files+2
	})
}

// TestClientsThatLeave: in the middle of whatever they wait for.
func TestClientsThatLeave(t *testing.T) {
	s := serve(t)
	made(t, s, "web", func(r *container.Record) { r.Process.OpenStdin = true })
	for _, request := range []string{
		"GET /events", "POST /containers/web/wait?condition=next-exit", "POST /containers/web/wait?condition=removed",
		"GET /containers/web/stats", "POST /containers/web/attach?stream=1&stdout=1&stderr=1&stdin=1",
	} {
		// Some clients say what they want a second time, in a body that nobody needs.
		for _, body := range []string{"", "{}", `{"condition":"next-exit"}`} {
			t.Run(request+body, func(t *testing.T) {
				nothingLeft(t, func() {
					c := s.dial(t)
					defer c.Close()
					if _, err := fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", request, len(body), body); err != nil {
						t.Fatal(err)
					}
					line, err := bufio.NewReader(c).ReadString('\n') // it is answered
					if err != nil || !strings.Contains(line, " 200 ") {
						t.Fatalf("%q %v", line, err)
					}
				})
			})
		}
	}
}

// TestHalfClosed: a client that has nothing more to say is still there.
func TestHalfClosed(t *testing.T) {
	s := serve(t)
	web := made(t, s, "web", nil)
	c := s.dial(t)
	defer c.Close()
	if _, err := fmt.Fprintf(c, "POST /containers/web/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != "tcp" || resp.Header.Get("Content-Type") != multiplexedStream {
		t.Fatalf("%+v %v", resp, err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := in.ReadByte(); !os.IsTimeout(err) {
		t.Errorf("the answer has ended: %v", err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := s.e.containers().Remove(t.Context(), web); err != nil {
		t.Fatal(err)
	}
	if b, err := in.ReadByte(); err == nil {
		t.Errorf("a container that is removed says %q", b)
	}
}

// TestIdleConnections: as many as there are descriptors for keep nobody from being
// answered.
func TestIdleConnections(t *testing.T) {
	s := serve(t)
	var idle []net.Conn
	defer func() {
		for _, c := range idle {
			c.Close()
		}
	}()
	for range 300 {
		idle = append(idle, s.dial(t))
	}
	if resp, _ := s.ask(t, "GET", "/_ping", ""); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
}

// TestEndsWhenIdle: not while somebody asks.
func TestEndsWhenIdle(t *testing.T) {
	s := serve(t)
	l, err := Listen("unix://" + s.socket + "2")
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", s.socket+"2") // who is there before nobody can have been missed
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /events HTTP/1.1\r\nHost: d\r\n\r\n")
	done := make(chan error, 1)
	go func() { done <- s.e.Serve(context.Background(), l, 100*time.Millisecond) }()
	in := bufio.NewReader(c)
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		t.Fatalf("it has ended while somebody was served: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	c.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(s.socket + "2"); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"x": "are known", "tcp://0.0.0.0:1": "only addresses of this host", "tcp://x:1": "invalid bind address", "unix://relative": "no absolute path",
		"unix://" + dir + "/file": "no socket", "unix://" + dir + "/nosuch/s": "no such file or directory", "fd://3": "are known",
	} {
		if l, err := Listen(address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %v", address, l, err)
		}
	}
	first, err := Listen("unix://" + dir + "/s")
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Lstat(dir + "/s"); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	if _, err := Listen("unix://" + dir + "/s"); err == nil || !strings.Contains(err.Error(), "somebody listens there already") {
		t.Error(err)
	}
	first.(*named).Listener.Close() // killed: its name is left
	second, err := Listen("unix://" + dir + "/s")
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
	tcp, err := Listen("tcp://localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp.Close()
}

// FuzzRequests: whatever comes, the answer is one of HTTP and of JSON, and the engine
// goes on.
func FuzzRequests(f *testing.F) {
	for _, seed := range []struct{ method, path, kind, body string }{
		{"GET", "/v1.44/containers/json?filters={\"label\":[\"a\"]}&limit=1", "", ""},
		{"POST", "/containers/create?name=x&platform=linux/amd64", "application/json", `{"Image":"x","Cmd":"a","HostConfig":{"Binds":["a:b"],"PortBindings":{"80/tcp":[{"HostPort":"1"}]}}}`},
		{"POST", "/containers/x/exec", "application/json", `{"Cmd":["a"],"ConsoleSize":[1,2]}`},
		{"POST", "/networks/create", "application/json", `{"Name":"n","IPAM":{"Config":[{"Subnet":"10.0.0.0/8"}]}}`},
		{"POST", "/volumes/create", "application/json", `{"Name":"v"}`},
		{"GET", "/images/json?filters={\"reference\":{\"a*\":true}}", "", ""},
		{"POST", "/build?buildargs={}&labels={}", "application/x-tar", "x"},
		{"POST", "/build?buildargs={\"a\":null}&ulimits=[{\"Name\":\"nofile\"},null]&t=a&t=b:2&shmsize=9&extrahosts=a:1.2.3.4&platform=linux/arm64", "application/x-tar", ""},
		{"GET", "/images/a/b:c/json?platform={\"os\":\"linux\",\"architecture\":\"arm64\"}", "", ""},
		{"POST", "/networks/n/connect", "application/json", `{"Container":"c","EndpointConfig":{"IPAMConfig":{"IPv4Address":"10.0.0.1"},"MacAddress":"02:42:ac:12:05:02","Links":["a:b"]}}`},
		{"POST", "/auth", "application/json", `{"username":5}`},
		{"POST", "/containers/x/update", "application/json", `{"Memory":1e400}`},
	} {
		f.Add(seed.method, seed.path, seed.kind, seed.body)
	}
	e := &Engine{}
	f.Fuzz(func(t *testing.T, method, path, kind, body string) {
		r, err := http.NewRequest(method, "http://d/", strings.NewReader(body))
		if err != nil {
			return
		}
		if r.URL, err = r.URL.Parse(path); err != nil {
			return
		}
		r.Header.Set("Content-Type", kind)
		version, rest := splitVersion(r.URL.Path)
		c := &call{e: e, r: r}
		if find(c, method, rest) == nil {
			return
		}
		if c.version, err = checkVersion(version); err != nil {
			return
		}
		if c.form, err = parseForm(r); err != nil {
			return
		}
		decodeAll(c)
	})
}

// decodeAll reads all that a call brings along, for every kind of endpoint.
func decodeAll(c *call) {
	for _, parse := range filterParsers {
		_, _ = c.filters(parse)
	}
	_ = c.access()
	_, _ = c.size()
	_, _ = c.place()
	_, _, _ = c.stopRequest()
	_, _ = c.platform()
	_, _ = c.specifier()
	_, _, _ = buildRequest(c)
	decodeOthers(c)
	var body createBody
	if c.decode(&body) == nil {
		q := body.CreateRequest
		_, _ = c.shape(&q)
	}
}

// decodeOthers reads the bodies of networks and volumes, each as if it were one.
func decodeOthers(c *call) {
	data, err := io.ReadAll(c.r.Body)
	if err != nil {
		return
	}
	again := func(into any) bool {
		c.r.Body = io.NopCloser(bytes.NewReader(data))
		return c.decode(into) == nil
	}
	var n docker.NetworkRequest
	if again(&n) {
		_, _, _ = docker.NewNetwork(n)
	}
	var at docker.ConnectRequest
	if again(&at) {
		_, _, _ = docker.ConnectedEndpoint("net", at)
	}
	var v docker.VolumeRequest
	if again(&v) {
		_ = docker.CheckVolume(v)
	}
	c.r.Body = io.NopCloser(bytes.NewReader(data))
}

var filterParsers = []func([]string) (docker.Filters, error){
	docker.ContainerFilters, docker.EventFilters, docker.NetworkFilters, docker.VolumeFilters, docker.VolumePruneFilters, docker.CacheFilters,
	func(l []string) (docker.Filters, error) { return docker.PruneFilters(l, "dangling") },
	func(l []string) (docker.Filters, error) { return docker.ImageFilters(l, "") },
}
