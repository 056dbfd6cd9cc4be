// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// contextArchive is a tar archive: names and texts, in turn.
func contextArchive(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		h := &tar.Header{Name: files[i], Mode: 0o600, Size: int64(len(files[i+1])), Uid: 70000, Typeflag: tar.TypeReg}
		if link, ok := strings.CutPrefix(files[i+1], "-> "); ok {
			h.Typeflag, h.Linkname, h.Size, files[i+1] = tar.TypeSymlink, link, 0, ""
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// stdin builds what comes on standard input.
func (w *world) stdin(r io.Reader, o Request) error {
	w.t.Helper()
	o.Source = stream(w.t, r)
	_, err := build(w.t.Context(), w.st, w, w, o, nil, nil)
	return err
}

func TestContextIsAnArchive(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	plain := contextArchive(t, "./Dockerfile", "FROM scratch\nCOPY f /\n", "f", "1", "sub/D", "FROM scratch\nCOPY sub/D /\n",
		"hidden", "FROM scratch\nCOPY out /\n", ".dockerignore", "out\n", "out", "1", "away", "-> /etc/passwd")
	var gz, zst bytes.Buffer
	g := gzip.NewWriter(&gz)
	z, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []io.WriteCloser{g, z} {
		if _, err := c.Write(plain); err != nil || c.Close() != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		what, file string
		in         []byte
		err        string
	}{
		{"plain", "Dockerfile", plain, ""},
		{"gzip", "Dockerfile", gz.Bytes(), ""},
		{"zstd", "Dockerfile", zst.Bytes(), ""},
		{"another file", "sub/D", plain, ""},
		{"an ignored file", "hidden", plain, `failed to compute cache key: failed to calculate checksum of ref: "/out": not found`},
		{"no such file", "nope", plain, "failed to read dockerfile: open nope: no such file or directory"},
		{"a link out", "away", plain, "failed to read dockerfile: open away: path escapes from parent"},
		{"a directory", "sub", plain, "failed to read dockerfile: read sub: is a directory"},
		{"cut off", "Dockerfile", gz.Bytes()[:gz.Len()-20], "failed to read dockerfile: unpack build context: "},
		{"a link to nothing", "Dockerfile", contextArchive(t, "l", "-> nowhere", "l/gone", "1"), "failed to read dockerfile: unpack build context: unpack l/gone: "},
		{"text", "Dockerfile", []byte("FROM scratch\nCMD x\n"), ""},
		{"text with COPY", "Dockerfile", []byte("FROM scratch\nCOPY f /\n"), "there is no build context: the Dockerfile was read from standard input"},
		{"nothing", "Dockerfile", nil, "the Dockerfile (Dockerfile) cannot be empty"},
	} {
		err := w.stdin(bytes.NewReader(tt.in), Request{Dockerfile: tt.file})
		if got := message(err); got != tt.err && (tt.err == "" || !strings.HasPrefix(got, tt.err)) {
			t.Errorf("%s: error is %q, want %q", tt.what, got, tt.err)
		}
	}
	left, err := filepath.Glob(string(w.st.Dirs().Tmp()) + "/*/*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// A build ends when it is told to, also while it waits for what never comes.
func TestCanceledWhileReading(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	r, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer in.Close()
	for what, o := range map[string]Request{"context": {Source: r}, "Dockerfile": {Source: r, ContextDir: w.context}} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := build(ctx, w.st, w, w, o, nil, func(e Event) {
			if e.Kind == Started {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error is %v", what, err)
		}
	}
}

// Nothing in a context that is no file is read as one.
func TestDockerfileIsNoFile(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	for what, make := range map[string]func(name string) error{
		"a pipe":   func(name string) error { return unix.Mkfifo(name, 0o600) },
		"a device": func(name string) error { return os.Symlink("/dev/zero", name) },
		"a folder": func(name string) error { return os.Mkdir(name, 0o700) },
	} {
		for _, name := range []string{"Dockerfile", "Dockerfile.dockerignore", ".dockerignore"} {
			if err := errors.Join(os.RemoveAll(w.context), os.Mkdir(w.context, 0o700)); err != nil {
				t.Fatal(err)
			}
			w.write(map[string]string{"Dockerfile": "FROM scratch\nCMD x\n"})
			file := filepath.Join(w.context, name)
			_ = os.Remove(file)
			if err := make(file); err != nil {
				t.Fatal(err)
			}
			_, err := build(t.Context(), w.st, w, w, Request{ContextDir: w.context, Dockerfile: filepath.Join(w.context, "Dockerfile")}, nil, nil)
			if err == nil || !strings.Contains(err.Error(), "read ") {
				t.Errorf("%s is %s: error is %v", name, what, err)
			}
		}
	}
}
