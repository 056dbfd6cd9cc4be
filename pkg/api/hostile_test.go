// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"coracle/internal/testutil"
	"coracle/pkg/docker"
)

// streams are endpoints that answer until the client leaves.
func endless(e endpoint) bool {
	return slices.Contains([]string{"/events", "/containers/{name}/attach", "/containers/{name}/attach/ws", "/containers/{name}/wait", "/containers/{name}/stats", "/containers/{name}/logs"}, e.pattern)
}

// sound reports whether a status says that the request is wrong, or was carried out,
// and not that the engine failed over it.
func sound(status int) bool {
	return status < 500 || status == http.StatusNotImplemented || status == http.StatusServiceUnavailable
}

// TestWrongBodies: whatever is sent to whichever endpoint, the engine says what is
// wrong with it.
func TestWrongBodies(t *testing.T) {
	s := serve(t)
	made(t, s, "web", nil)
	type body struct{ kind, text string }
	bodies := []body{
		{"application/json", `{`}, {"application/json", `[]`}, {"application/json", `"text"`}, {"application/json", `5`}, {"application/json", `null`},
		{"application/json", `{"Name":5,"Image":[],"Cmd":{},"HostConfig":"x","Container":1,"AttachStdin":"x"}`}, {"application/json", `{"HostConfig":null,"Labels":null,"IPAM":null}`},
		{"application/json", strings.Repeat(`{"HostConfig":`, 20_000)}, {"application/json", strings.Repeat(`[`, 20_000)}, {"text/plain", `{}`}, {"", "\x00\x01\x02"}, {"application/x-tar", "no archive"},
		{"application/json", `{"x":"` + strings.Repeat("x", maxBody) + `"}`},
	}
	for _, e := range routes() {
		if e.method == http.MethodGet || e.method == http.MethodHead || endless(e) || e.pattern == "/auth" { // which asks a registry
			continue
		}
		for _, name := range []string{"nosuch", "web"} {
			if !strings.Contains(e.pattern, "{") && name != "web" || e.method == http.MethodDelete && name == "web" {
				continue
			}
			for _, b := range bodies {
				path := strings.Replace(e.pattern, "{name}", name, 1) + "?path=/&name=other&tag=x&repo=x&fromSrc=-&container=nosuch&remote=&h=1&w=1"
				r, err := http.NewRequestWithContext(t.Context(), e.method, "http://d"+path, strings.NewReader(b.text))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", b.kind)
				resp, err := s.Do(r)
				if err != nil { // answered before all was sent
					continue
				}
				answer, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if takes := e.pattern == "/images/load" || e.pattern == "/images/create"; !sound(resp.StatusCode) && !(takes && (strings.Contains(string(answer), "EOF") || strings.Contains(string(answer), "invalid tar header"))) {
					t.Errorf("%s %s, %s %.60q: %d %.200s", e.method, path, b.kind, b.text, resp.StatusCode, answer)
				}
			}
		}
	}
	s.end()
	if strings.Contains(s.log.String(), "panic") {
		t.Errorf("%s", s.log)
	}
}

// TestWrongFilters: every endpoint that has filters refuses those that are none, in
// both forms of them.
func TestWrongFilters(t *testing.T) {
	s := serve(t)
	for _, path := range []string{
		"GET /containers/json", "POST /containers/prune", "GET /images/json", "POST /images/prune", "GET /volumes", "POST /volumes/prune", "GET /networks", "POST /networks/prune",
		"GET /events", "POST /build/prune",
	} {
		method, path, _ := strings.Cut(path, " ")
		for _, f := range []string{
			"x", "[", "[1]", `"x"`, "5", `{"label":1}`, `{"label":{"a":1}}`, `{"label":["a",2]}`, `{"label":[["a"]]}`, `{"nosuch":["x"]}`, `{"nosuch":{"x":true}}`, `{"":["x"]}`,
			strings.Repeat("[", 20_000), strings.Repeat(`{"a":`, 20_000), "\x00", "{}{}",
		} {
			resp, body := s.ask(t, method, "/v1.44"+path+"?until=1&filters="+url.QueryEscape(f), "")
			if resp.StatusCode != http.StatusBadRequest || sentence(body) == "" {
				t.Errorf("%s %s %.30s: %d %.100s", method, path, f, resp.StatusCode, body)
			}
		}
	}
}

// TestWrongParameters: parameters of every kind at every endpoint.
func TestWrongParameters(t *testing.T) {
	s := serve(t)
	made(t, s, "web", nil)
	names := strings.Fields("all limit size filters since until t signal h w stream stdin stdout stderr logs detachKeys tail timestamps path name platform repo tag fromImage fromSrc names term condition ps_args force v link noprune container comment author changes dockerfile q nocache rm buildargs labels shmsize ulimits type scope version target networkmode extrahosts keep-storage one-shot follow manifests platforms quiet")
	for _, value := range []string{"-1", "99999999999999999999", "x", "\x00", "{}", "[]", "[null]", `{"a":1}`, strings.Repeat("a", 10_000), "../../etc", "/", "é", " "} {
		q := url.Values{}
		for _, n := range names {
			q.Set(n, value)
		}
		for _, e := range routes() {
			switch e.pattern {
			case "/distribution/{name}/json", "/images/create", "/auth", "/images/{name}/push", "/images/load": // a registry is asked, or an archive is none
				continue
			case "/containers/{name}/start", "/containers/{name}/restart", "/containers/{name}/archive", "/containers/{name}/export", "/containers/{name}/changes",
				"/containers/{name}/rename", "/commit": // this container has no files, and keeps its name
				continue
			}
			if endless(e) && e.pattern != "/events" {
				continue
			}
			for _, name := range []string{"web", value} {
				if e.method == http.MethodDelete && (name == "web" || e.pattern == "/images/{name}") {
					continue
				}
				path := strings.Replace(e.pattern, "{name}", url.PathEscape(name), 1)
				resp, body := s.ask(t, e.method, path+"?"+q.Encode(), "")
				if !sound(resp.StatusCode) {
					t.Errorf("%s %.60s with %.30q: %d %.300s", e.method, path, value, resp.StatusCode, body)
				}
			}
		}
	}
	s.end()
	if strings.Contains(s.log.String(), "panic") {
		t.Errorf("%s", s.log)
	}
}

// TestThousandIdle: connections that ask for nothing keep nobody from being answered,
// and go with their clients.
func TestThousandIdle(t *testing.T) {
	s := serve(t)
	s.ask(t, "GET", "/_ping", "")
	before := runtime.NumGoroutine()
	var idle []net.Conn
	for i := range 1000 {
		c, err := net.Dial("unix", s.socket)
		if err != nil {
			testutil.Needs(t, fmt.Errorf("too few open files for %d connections: %w", 2*i, err))
		}
		defer c.Close()
		if i%2 == 0 { // in the middle of a request
			fmt.Fprintf(c, "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Le")
		}
		idle = append(idle, c)
	}
	begun := time.Now()
	if resp, _ := s.ask(t, "GET", "/containers/json", ""); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
	if d := time.Since(begun); d > 10*time.Second {
		t.Errorf("answered after %v", d)
	}
	for _, c := range idle {
		c.Close()
	}
	testutil.Eventually(t, "nothing is left of them", func() bool { return runtime.NumGoroutine() < before+20 })
}

// FuzzRequest: no request makes the engine fail, whatever it asks for.
func FuzzRequest(f *testing.F) {
	for i, e := range routes() {
		f.Add(e.method, "/v1.44"+strings.Replace(e.pattern, "{name}", "x", 1)+"?a=b", `{"Image":"x"}`, []string{"application/json", "", "text/plain"}[i%3])
	}
	e := &Engine{Version: "1"}
	f.Fuzz(func(t *testing.T, method, path, body, kind string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		r := httptest.NewRequest("GET", "/", strings.NewReader(body)).WithContext(t.Context())
		r.Method, r.URL = method, u
		r.Header.Set("Content-Type", kind)
		r.Header.Set("X-Registry-Auth", body)
		version, rest := splitVersion(u.Path)
		w := httptest.NewRecorder()
		c := &call{e: e, r: r, w: w}
		if find(c, method, rest) == nil && c.name != "" {
			t.Errorf("%s %s: a name of nothing", method, path)
		}
		if _, err := checkVersion(version); err != nil && docker.KindOf(err) != docker.Invalid {
			t.Error(err)
		}
		if c.form, err = parseForm(r); err != nil {
			return
		}
		for key := range c.form {
			c.flag(key)
			_, _ = c.number(key)
			_, _ = docker.FilterTexts(c.text(key))
			_, _ = docker.ParseMoment(c.text(key))
			_, _ = detachKeys(c.text(key))
		}
		_ = c.access()
		_ = buildAuths(c)
		_, _, _ = buildRequest(c)
		_, _ = c.place()
		_, _ = c.platform()
		_, _ = c.specifier()
		_, _ = c.size()
		_, _, _ = c.stopRequest()
	})
}

// FuzzBody: no body is decoded into something that later steps trip over.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{`{}`, `{"Image":"x","Cmd":["a"],"HostConfig":{"Binds":["a:b"],"PortBindings":{"80/tcp":[{"HostPort":"1"}]}},"NetworkingConfig":{"EndpointsConfig":{"a":{"IPAMConfig":{}}}}}`, `[]`, `null`, `{"Name":"x","IPAM":{"Config":[{"Subnet":"10.0.0.0/8"}]}}`} {
		f.Add([]byte(seed), "1.44")
	}
	f.Fuzz(func(t *testing.T, body []byte, version string) {
		of := func(into any) *call {
			r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			c := &call{e: &Engine{}, r: r, w: httptest.NewRecorder(), version: version}
			if err := c.decode(into); err != nil {
				if docker.KindOf(err) != docker.Invalid {
					t.Error(err)
				}
				return nil
			}
			return c
		}
		var create createBody
		if c := of(&create); c != nil {
			_, _ = c.shape(&create.CreateRequest)
		}
		var network docker.NetworkRequest
		if of(&network) != nil {
			_, _, _ = docker.NewNetwork(network)
		}
		var volume docker.VolumeRequest
		if of(&volume) != nil {
			_ = docker.CheckVolume(volume)
		}
		var connect docker.ConnectRequest
		if of(&connect) != nil {
			_, _, _ = docker.ConnectedEndpoint("net", connect)
		}
		var exec docker.ExecRequest
		if of(&exec) != nil {
			_ = docker.ExecOptions(exec)
		}
		var update docker.UpdateRequest
		of(&update)
	})
}
