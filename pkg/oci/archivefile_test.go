// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"
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
