// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"coracle/internal/testutil/store"
)

// served is an engine with nothing in it, and a client of its socket.
type served struct {
	*http.Client
	e      *Engine
	socket string
	log    *bytes.Buffer // to be read when the server has ended
	end    func()
}

func serve(t *testing.T) *served {
	t.Helper()
	dir := t.TempDir()
	s := &served{e: &Engine{Dirs: store.Dirs(t), Version: "1.2.3"}, socket: filepath.Join(dir, "s"), log: &bytes.Buffer{}}
	s.e.Log = s.log
	l, err := Listen("unix://" + s.socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.e.Serve(ctx, l, 0) }()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", s.socket) }}
	s.Client = &http.Client{Transport: transport}
	s.end = func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.end = func() {}
	}
	t.Cleanup(func() { s.end() })
	return s
}

// ask sends a request, with a body of JSON unless it is empty.
func (s *served) ask(t *testing.T, method, path, body string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://d"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return s.answer(t, r)
}

// answer is what a request gets, and all of its body.
func (s *served) answer(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := s.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(data)
}

// sentence is what an answer of an error says.
func sentence(body string) string {
	var m struct{ Message string }
	if json.Unmarshal([]byte(body), &m) != nil {
		return "no JSON: " + body
	}
	return m.Message
}

// refusals are requests, and what Docker says to them.
type refusal struct {
	method, path, body string
	status             int
	sentence           string
}

func checkRefusals(t *testing.T, s *served, list []refusal) {
	t.Helper()
	for _, tt := range list {
		resp, body := s.ask(t, tt.method, tt.path, tt.body)
		if resp.StatusCode != tt.status || tt.sentence != "" && sentence(body) != tt.sentence {
			t.Errorf("%s %s %.100s: %d %q, want %d %q", tt.method, tt.path, tt.body, resp.StatusCode, sentence(body), tt.status, tt.sentence)
		}
	}
}
