// SPDX-License-Identifier: Apache-2.0

package session

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"coracle/pkg/api/buildkit/grpc"
	"coracle/pkg/api/buildkit/pb"
)

// open opens a session of a client with methods.
func open(t *testing.T, methods map[string]grpc.Method) (*Session, *Sessions) {
	t.Helper()
	here, there := pair(t)
	h := http.Header{headerID: {"id"}}
	for m := range methods {
		h.Add(headerMethod, m)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served, left := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(served)
		grpc.Serve(ctx, there, methods, log.New(io.Discard, "", 0))
	}()
	all := &Sessions{}
	go func() { left <- all.Serve(t.Context(), here, h) }()
	s, err := all.Get(t.Context(), "id")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		<-served
		if err := <-left; err != nil {
			t.Errorf("the session ended with %v", err)
		}
	})
	return s, all
}

func pair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if b, err = net.Dial("unix", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if a, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// archive is a file with an archive, to be sent.
func archive(t *testing.T, entries ...tar.Header) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "tar"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	w := tar.NewWriter(f)
	for _, h := range entries {
		content := strings.Repeat(h.Uname, int(h.Size)) // the tests' own use of it
		h.Uname, h.Size = "", int64(len(content))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	return f
}

// list is what an archive has: a line for each entry.
func list(t *testing.T, r io.Reader) (lines []string) {
	t.Helper()
	in := tar.NewReader(r)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		if len(text) > 10 {
			text = fmt.Sprintf("%s… %d", text[:1], len(text))
		}
		lines = append(lines, fmt.Sprintf("%c %s %o %q %s", h.Typeflag, h.Name, h.Mode, h.Linkname, text))
	}
}

var tree = []tar.Header{
	{Typeflag: tar.TypeDir, Name: "a/", Mode: 0o1755},
	{Typeflag: tar.TypeReg, Name: "a/large", Mode: 0o644, Uname: "x", Size: askedBytes + 7},
	{Typeflag: tar.TypeReg, Name: "a/more", Mode: 0o600, Uname: "y", Size: askedBytes - 1},
	{Typeflag: tar.TypeReg, Name: "a/small", Mode: 0o4755, Uname: "small", Size: 1},
	{Typeflag: tar.TypeReg, Name: "b", Mode: 0o644},
	{Typeflag: tar.TypeLink, Name: "c", Linkname: "a/small"},
	{Typeflag: tar.TypeSymlink, Name: "d", Linkname: "../../etc"},
}

var treeLines = []string{
	`5 a/ 1755 "" `, `0 a/large 644 "" x… 4194311`, `0 a/more 600 "" y… 4194303`, `0 a/small 4755 "" small`, `0 b 644 "" `, `1 c 0 "a/small" `, `2 d 777 "../../etc" `,
}

// TestFiles takes a directory from a client, which sends as this package does.
func TestFiles(t *testing.T) {
	var asked http.Header
	s, _ := open(t, map[string]grpc.Method{methodFiles: func(_ context.Context, call *grpc.Stream) error {
		asked = call.Headers()
		f := archive(t, tree...)
		files, err := index(f)
		if err != nil {
			return err
		}
		return newSender(call, f, files).run()
	}})
	var out bytes.Buffer
	err := s.Files(t.Context(), Directory{Name: "context", Follow: []string{"a", "ä"}, Exclude: []string{"*.log", "!x"}}, &out)
	if err != nil {
		t.Fatal(err)
	}
	if got := list(t, &out); !slices.Equal(got, lines(treeLines, `2 d 777`, `2 d 0`)) {
		t.Errorf("came as\n%s", strings.Join(got, "\n"))
	}
	if asked.Get("Dir-Name") != "context" || asked.Get("Followpaths-Encoded") != "1" || !slices.Equal(asked.Values("Followpaths"), []string{"a", "%C3%A4"}) ||
		!slices.Equal(asked.Values("Exclude-Patterns"), []string{"*.log", "!x"}) {
		t.Errorf("asked with %v", asked)
	}
}

// lines are lines with a beginning replaced.
func lines(all []string, old, now string) []string {
	all = slices.Clone(all)
	for i, l := range all {
		all[i] = strings.Replace(l, old, now, 1)
	}
	return all
}

// TestManyFiles are more than are asked for at once, of which some are empty.
func TestManyFiles(t *testing.T) {
	var entries []tar.Header
	for i := range 3000 {
		entries = append(entries, tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("f%04d", i), Mode: 0o644, Uname: "z", Size: int64(i % 100)})
	}
	s, _ := open(t, map[string]grpc.Method{methodFiles: func(_ context.Context, call *grpc.Stream) error {
		f := archive(t, entries...)
		files, err := index(f)
		if err != nil {
			return err
		}
		return newSender(call, f, files).run()
	}})
	var out bytes.Buffer
	if err := s.Files(t.Context(), Directory{Name: "context"}, &out); err != nil {
		t.Fatal(err)
	}
	if got := len(list(t, &out)); got != len(entries) {
		t.Errorf("%d files came", got)
	}
}

// TestSendFiles gives a directory to a client, which receives as this package does.
func TestSendFiles(t *testing.T) {
	var out bytes.Buffer
	var export string
	s, _ := open(t, map[string]grpc.Method{methodSend: func(_ context.Context, call *grpc.Stream) error {
		export = call.Header("buildkit-attachable-exporter-id")
		return newReceiver(call, &out).all()
	}})
	if err := s.SendFiles(t.Context(), 3, archive(t, tree...)); err != nil {
		t.Fatal(err)
	}
	if got := list(t, &out); !slices.Equal(got, lines(treeLines, `2 d 777`, `2 d 0`)) || export != "3" {
		t.Errorf("arrived for %s as\n%s", export, strings.Join(got, "\n"))
	}
}

func TestSendFile(t *testing.T) {
	var got []byte
	s, _ := open(t, map[string]grpc.Method{methodSend: func(_ context.Context, call *grpc.Stream) error {
		for {
			msg, err := call.Receive()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := pb.Read(msg, func(f pb.Field) error { got = append(got, f.Data()...); return nil }); err != nil {
				return err
			}
		}
	}})
	want := strings.Repeat("0123456789", 100_000)
	if err := s.SendFile(t.Context(), 0, strings.NewReader(want)); err != nil || string(got) != want {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestClientRefuses: a client that cannot take files says why.
func TestClientRefuses(t *testing.T) {
	s, _ := open(t, map[string]grpc.Method{methodSend: func(context.Context, *grpc.Stream) error { return errors.New("disk is full") }})
	if err := s.SendFile(t.Context(), 0, strings.NewReader(strings.Repeat("x", 10<<20))); err == nil || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("a file: %v", err)
	}
	if err := s.SendFiles(t.Context(), 0, archive(t, tree...)); err == nil || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("files: %v", err)
	}
}

// TestHostileClients send what is no directory.
func TestHostileClients(t *testing.T) {
	file := func(name string) *stat { return &stat{path: name, mode: 0o644, size: 3} }
	for name, c := range map[string]struct {
		packets []packet
		want    string
	}{
		"escape":          {[]packet{{stat: file("../x")}}, "invalid path"},
		"absolute":        {[]packet{{stat: file("/etc/passwd")}}, "invalid path"},
		"root":            {[]packet{{stat: file(".")}}, "invalid path"},
		"unclean":         {[]packet{{stat: file("a//b")}}, "invalid path"},
		"zero byte":       {[]packet{{stat: file("a\x00b")}}, "invalid path"},
		"long":            {[]packet{{stat: file(strings.Repeat("a", maxPath+1))}}, "invalid path"},
		"hard link out":   {[]packet{{stat: &stat{path: "l", link: "../../etc/passwd"}}}, "invalid link"},
		"negative size":   {[]packet{{stat: &stat{path: "l", size: -1}}}, "unsupported"},
		"not asked for":   {[]packet{{kind: packetData, id: 5, data: []byte("x")}}, "invalid file request"},
		"no such kind":    {[]packet{{kind: 77}}, "unexpected packet"},
		"its own error":   {[]packet{{kind: packetError, data: []byte("permission denied")}}, "permission denied"},
		"after the end":   {[]packet{{}, {stat: file("a")}}, "unexpected EOF"},
		"ends in between": {[]packet{{stat: file("a")}}, "unexpected EOF"},
		"large changes":   {[]packet{{stat: &stat{path: "a", size: askedBytes + 1}}, {kind: packetData, data: []byte("x")}, {kind: packetData}}, "changed"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := open(t, map[string]grpc.Method{methodFiles: func(_ context.Context, call *grpc.Stream) error {
				for _, p := range c.packets {
					if err := call.Send(p.encode()); err != nil {
						return nil
					}
				}
				if strings.Contains(c.want, "changed") { // it is asked for first
					_, _ = call.Receive()
				}
				return nil
			}})
			err := s.Files(t.Context(), Directory{Name: "context"}, io.Discard)
			if err == nil && name == "after the end" { // it had ended
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestGrowingFile: what a file has more than was told does not count, what it has less
// makes it shorter.
func TestGrowingFile(t *testing.T) {
	s, _ := open(t, map[string]grpc.Method{methodFiles: func(_ context.Context, call *grpc.Stream) error {
		for _, p := range []packet{
			{stat: &stat{path: "more", mode: 0o644, size: 3}}, {stat: &stat{path: "less", mode: 0o644, size: 3}}, {},
			{kind: packetData, id: 0, data: []byte("12345")}, {kind: packetData, id: 0, data: []byte("6")}, {kind: packetData, id: 0},
			{kind: packetData, id: 1, data: []byte("1")}, {kind: packetData, id: 1},
		} {
			if err := call.Send(p.encode()); err != nil {
				return err
			}
		}
		for range 3 { // what is asked for, and the end
			if _, err := call.Receive(); err != nil {
				return err
			}
		}
		return nil
	}})
	var out bytes.Buffer
	if err := s.Files(t.Context(), Directory{Name: "context"}, &out); err != nil {
		t.Fatal(err)
	}
	if got := list(t, &out); !slices.Equal(got, []string{`0 more 644 "" 123`, `0 less 644 "" 1`}) {
		t.Errorf("came as %q", got)
	}
}

func TestAsk(t *testing.T) {
	text := func(b []byte) (s string) {
		_ = pb.Read(b, func(f pb.Field) error { s = f.Text(); return nil })
		return s
	}
	s, _ := open(t, map[string]grpc.Method{
		methodSecret: grpc.Unary(func(_ context.Context, _ *grpc.Stream, req []byte) ([]byte, error) {
			if text(req) != "known" {
				return nil, grpc.Errorf(grpc.NotFound, "secret %s not found", text(req))
			}
			return pb.Encode(func(m *pb.Message) { m.Text(1, "value") }), nil
		}),
		methodCredentials: grpc.Unary(func(_ context.Context, _ *grpc.Stream, req []byte) ([]byte, error) {
			return pb.Encode(func(m *pb.Message) { m.Text(1, "me"); m.Text(2, "password for "+text(req)) }), nil
		}),
		methodUpload: func(_ context.Context, call *grpc.Stream) error {
			return errors.Join(call.Send(pb.Encode(func(m *pb.Message) { m.Text(1, call.Header("urlpath")) })), call.Send(pb.Encode(func(m *pb.Message) { m.Text(1, " end") })))
		},
	})
	if v, err := s.Secret(t.Context(), "known"); err != nil || string(v) != "value" {
		t.Errorf("secret: %q, %v", v, err)
	}
	if _, err := s.Secret(t.Context(), "other"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no secret: %v", err)
	}
	if user, secret, err := s.Credentials(t.Context(), "r"); err != nil || user != "me" || secret != "password for r" {
		t.Errorf("credentials: %q %q, %v", user, secret, err)
	}
	var up bytes.Buffer
	if err := s.Upload(t.Context(), &url.URL{Host: "h", Path: "/p"}, &up); err != nil || up.String() != "/p end" {
		t.Errorf("upload: %q, %v", up.String(), err)
	}
}

// TestClientWithout has none of it.
func TestClientWithout(t *testing.T) {
	s, all := open(t, nil)
	if _, err := s.Secret(t.Context(), "x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("secret: %v", err)
	}
	if user, secret, err := s.Credentials(t.Context(), "r"); err != nil || user+secret != "" {
		t.Errorf("credentials: %q %q, %v", user, secret, err)
	}
	for what, err := range map[string]error{
		"files": s.Files(t.Context(), Directory{Name: "context"}, io.Discard), "send": s.SendFile(t.Context(), 0, strings.NewReader("")),
		"upload": s.Upload(t.Context(), &url.URL{}, io.Discard),
	} {
		if grpc.StatusOf(err).Code != grpc.NotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	here, _ := pair(t)
	if err := all.Serve(t.Context(), here, http.Header{headerID: {"id"}}); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("a second session of the same ID: %v", err)
	}
	here, _ = pair(t)
	if err := all.Serve(t.Context(), here, nil); err == nil {
		t.Error("a session without an ID")
	}
}

// TestGetGivesUp ends with the caller.
func TestGetGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&Sessions{}).Get(ctx, "none"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func FuzzPacket(f *testing.F) {
	f.Add(packet{kind: packetData, id: 3, data: []byte("x")}.encode())
	f.Add(packet{stat: &stat{path: "a/b", mode: fs.ModeSymlink | 0o777, size: 9, mtime: -1, link: "../c"}}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := readPacket(b)
		if err != nil || p.stat == nil {
			return
		}
		if !fs.ValidPath(p.stat.path) || p.stat.path == "." || p.stat.size < 0 {
			t.Errorf("%+v is no file of a directory", *p.stat)
		}
		again, err := readPacket(p.encode())
		if err != nil || *again.stat != *p.stat {
			t.Errorf("%+v became %+v, %v", *p.stat, again.stat, err)
		}
	})
}
