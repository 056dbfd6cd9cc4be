// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	"github.com/ulikunitz/xz"
)

type scratch string

func (s scratch) Scratch() (string, error) { return string(s), nil }

func TestArchiveLinksStayInside(t *testing.T) {
	dir, tmp := t.TempDir(), t.TempDir()
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	for _, h := range []tar.Header{
		{Name: "./a/layer.tar", Typeflag: tar.TypeReg, Size: 4, Mode: 0o600},
		{Name: "b/layer.tar", Typeflag: tar.TypeSymlink, Linkname: "../a/layer.tar"},
		{Name: "out", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		{Name: "up", Typeflag: tar.TypeSymlink, Linkname: "../../../../etc/passwd"},
		{Name: "loop", Typeflag: tar.TypeSymlink, Linkname: "loop"},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			_, _ = w.Write([]byte("data"))
		}
	}
	_ = w.Close()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(text.Bytes())
	_ = z.Close()
	for name, data := range map[string][]byte{"plain.tar": text.Bytes(), "packed.tar.gz": packed.Bytes()} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		a, err := openArchive(context.Background(), scratch(tmp), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, member := range []string{"a/layer.tar", "b/layer.tar"} {
			if got, err := a.read(member, 100); err != nil || string(got) != "data" {
				t.Errorf("%s: %s: %q, %v", name, member, got, err)
			}
		}
		for _, member := range []string{"out", "up", "loop", "../a/layer.tar", "/etc/passwd"} {
			if got, err := a.read(member, 1<<20); err == nil {
				t.Errorf("%s: A HOST FILE WAS READ THROUGH %s: %q", name, member, got)
			}
		}
		_ = a.Close()
		_ = f.Close()
		if left, _ := os.ReadDir(tmp); len(left) != 0 {
			t.Errorf("%s left %v", name, left)
		}
	}
}

func digestOf(text string) digest.Digest { return digest.FromString(text) }

// TestDecompress tells compressions by how they begin.
func TestDecompress(t *testing.T) {
	const text = "the text, which is long enough to be worth it; the text, which is long enough to be worth it"
	gz, _ := packGzip([]byte(text))
	zs, _ := packZstd([]byte(text))
	var x bytes.Buffer
	xw, err := xz.NewWriter(&x)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = xw.Write([]byte(text))
	_ = xw.Close()
	for name, c := range map[string]struct {
		data   []byte
		packed bool
		want   string
	}{
		"plain": {[]byte(text), false, text}, "gzip": {gz, true, text}, "zstd": {zs, true, text}, "xz": {x.Bytes(), true, text},
		"nothing": {nil, false, ""}, "short": {[]byte("\x1f"), false, "\x1f"},
	} {
		r, err := Decompress(bytes.NewReader(c.data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != c.want || IsCompressed(c.data) != c.packed {
			t.Errorf("%s: %q, %v, compressed: %v", name, got, err, IsCompressed(c.data))
		}
		r.Close()
	}
	for name, data := range map[string]string{"gzip": gzipMagic + "xxxxxxxx", "xz": xzMagic + "xxxxxxxxxxxx", "bzip2": bzip2Magic + "9xxxxxxxx", "zstd": zstdMagic + "\xff\xff\xff\xff\xff"} {
		r, err := Decompress(strings.NewReader(data))
		if err == nil {
			_, err = io.ReadAll(r)
			r.Close()
		}
		if err == nil || !IsCompressed([]byte(data)) {
			t.Errorf("damaged %s is taken", name)
		}
	}
}
