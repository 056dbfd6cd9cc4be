// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"coracle/pkg/api/buildkit/grpc"
	"coracle/pkg/api/buildkit/pb"
)

// upgrade goes over to HTTP/2 as Docker's clients do.
func (s *served) upgrade(t *testing.T, path string, header http.Header) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://d"+path, http.NoBody)
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "h2c")
	if err := r.Write(c); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, r)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != "h2c" {
		t.Fatalf("%s: %v, %v", path, resp, err)
	}
	return &readAhead{c, in}
}

// readAhead is a connection of which something was read already: the engine may speak at
// once.
type readAhead struct {
	net.Conn
	in *bufio.Reader
}

func (r *readAhead) Read(p []byte) (int, error) { return r.in.Read(p) }

// session is a client's whose files are the Dockerfile.
func (s *served) session(t *testing.T, id, dockerfile string) {
	t.Helper()
	const files = "/moby.filesync.v1.FileSync/DiffCopy"
	conn := s.upgrade(t, "/session", http.Header{"X-Docker-Expose-Session-Uuid": {id}, "X-Docker-Expose-Session-Grpc-Method": {files}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		grpc.Serve(ctx, conn, map[string]grpc.Method{files: func(_ context.Context, call *grpc.Stream) error { return sendFile(call, dockerfile) }}, log.New(io.Discard, "", 0))
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// sendFile sends a directory that is one Dockerfile, as fsutil does.
func sendFile(call *grpc.Stream, text string) error {
	send := func(kind int64, f func(*pb.Message)) error {
		return call.Send(pb.Encode(func(m *pb.Message) { m.Number(1, kind); f(m) }))
	}
	const stat, data, end = 0, 2, 3
	nothing := func(*pb.Message) {}
	hear := func() error { _, err := call.Receive(); return err }
	for _, step := range []func() error{
		func() error {
			return send(stat, func(m *pb.Message) {
				m.Message(2, func(m *pb.Message) { m.Text(1, "Dockerfile"); m.Number(2, 0o644); m.Number(5, int64(len(text))) })
			})
		},
		func() error { return send(stat, nothing) }, hear, // it is asked for
		func() error { return send(data, func(m *pb.Message) { m.Text(4, text) }) },
		func() error { return send(data, nothing) }, hear, // the end
		func() error { return send(end, nothing) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func dial(t *testing.T, c net.Conn) *grpc.Conn {
	t.Helper()
	conn, err := grpc.Dial(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestBuildKit builds as programs do that use BuildKit's client: by one call.
func TestBuildKit(t *testing.T) {
	s := serve(t)
	t.Cleanup(func() { s.noImages(t) })
	conn := dial(t, s.upgrade(t, "/v1.44/grpc", nil))
	for method, want := range map[string]string{"Info": "1.2.3", "ListWorkers": "linux", "DiskUsage": ""} {
		if res, err := conn.Call(t.Context(), "/moby.buildkit.v1.Control/"+method, nil, nil); err != nil || !strings.Contains(string(res), want) {
			t.Errorf("%s: %q, %v", method, res, err)
		}
	}
	if _, err := conn.Call(t.Context(), "/moby.buildkit.v1.Control/ListenBuildHistory", nil, nil); grpc.StatusOf(err).Code != grpc.Unimplemented {
		t.Errorf("the history: %v", err)
	}
	s.session(t, "sid", "FROM scratch\nLABEL a=b\n")
	solve := pb.Encode(func(m *pb.Message) {
		m.Text(1, "ref")
		m.Text(5, "sid")
		m.Text(6, "dockerfile.v0")
		m.Message(13, func(m *pb.Message) { m.Text(1, "moby"); m.Table(2, map[string]string{"name": "built:1"}) })
	})
	told := conn.Open(t.Context(), "/moby.buildkit.v1.Control/Status", nil)
	if err := told.Send(pb.Encode(func(m *pb.Message) { m.Text(1, "ref") })); err != nil {
		t.Fatal(err)
	}
	res, err := conn.Call(t.Context(), "/moby.buildkit.v1.Control/Solve", nil, solve)
	if err != nil || !strings.Contains(string(res), "containerimage.config.digest") || !strings.Contains(string(res), "docker.io/library/built:1") {
		t.Fatalf("%q, %v", res, err)
	}
	var all []byte
	for {
		msg, err := told.Receive()
		if err != nil {
			if err != io.EOF {
				t.Error(err)
			}
			break
		}
		all = append(all, msg...)
	}
	if !strings.Contains(string(all), "[internal] load build definition from Dockerfile") || !strings.Contains(string(all), "exporting to image") {
		t.Errorf("told is %q", all)
	}
	if resp, text := s.ask(t, "GET", "/images/built:1/json", ""); resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	for name, want := range map[string]string{"ref": "job ID ref exists", "": "needs a ref"} {
		if _, err := conn.Call(t.Context(), "/moby.buildkit.v1.Control/Solve", nil, pb.Encode(func(m *pb.Message) { m.Text(1, name) })); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestBuildKitEnds: connections that nobody ends do not keep the engine.
func TestBuildKitEnds(t *testing.T) {
	s := serve(t)
	s.upgrade(t, "/grpc", nil)
	s.session(t, "x", "")
	begun := time.Now()
	s.end()
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}

// TestBuildBySession builds as old command lines do with BuildKit, each time by a
// session of its own: one whose build has failed is over.
func TestBuildBySession(t *testing.T) {
	s := serve(t)
	t.Cleanup(func() { s.noImages(t) })
	n := 0
	build := func(remote, more string) (int, string) {
		n++
		id := fmt.Sprint("sid", n)
		s.session(t, id, "FROM scratch\nARG A\nLABEL a=$A\n")
		resp, text := s.ask(t, "POST", "/build?version=2&remote="+remote+"&session="+id+
			"&t=built:2&buildargs=%7B%22A%22%3A%22b%22%2C%22N%22%3Anull%7D&labels=%7B%22l%22%3A%22v%22%7D"+more, "")
		return resp.StatusCode, text
	}
	const here = "client-session"
	if code, text := build(here, ""); code != 200 || !strings.Contains(text, `"id":"moby.buildkit.trace"`) || !strings.Contains(text, `"id":"moby.image.id","aux":{"ID":"sha256:`) {
		t.Errorf("%d %s", code, text)
	}
	if _, text := s.ask(t, "GET", "/images/built:2/json", ""); !strings.Contains(text, `"a":"b"`) || !strings.Contains(text, `"l":"v"`) {
		t.Errorf("built is %s", text)
	}
	if code, text := build(here, "&q=1"); code != 200 || !strings.HasPrefix(text, `{"stream":"sha256:`) || strings.Contains(text, "trace") {
		t.Errorf("quiet: %d %s", code, text)
	}
	if code, text := build(here, "&target=none"); code != 200 || !strings.Contains(text, `"error":"target stage \"none\" could not be found"`) {
		t.Errorf("no target: %d %s", code, text)
	}
	for more, want := range map[string]int{"&ulimits=x": 400, "&outputs=x": 400, "&shmsize=x": 400, "&platform=a,b": 501, "&outputs=[%7B%22Type%22:%22x%22%7D]": 501} {
		if code, text := build(here, more); code != want {
			t.Errorf("%s: %d %s", more, code, text)
		}
	}
	if code, text := build("https://example.com/r.git", ""); code != 501 || !strings.Contains(text, "clone") {
		t.Errorf("a repository: %d %s", code, text)
	}
}
