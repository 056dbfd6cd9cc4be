// SPDX-License-Identifier: Apache-2.0

package squashfs

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func dir(name string, mode int64) file {
	return file{h: tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: mode}}
}

func regular(name, text string) file {
	return file{h: tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, text: text}
}

// TestTrees has archives that are not as a walk would make them.
func TestTrees(t *testing.T) {
	for _, c := range []struct {
		name string
		list []file
		want map[string]string // the beginning of what is shown of a file; empty: it is not there
	}{
		{"directories nobody speaks of", []file{regular("a/b/c", "x")}, map[string]string{"a": "5 755 0:0", "a/b": "5 755", "a/b/c": "0 644"}},
		{"a directory after what is in it", []file{regular("a/b", "x"), dir("a", 0o700)}, map[string]string{"a": "5 700", "a/b": "0 644"}},
		{"a directory twice", []file{dir("a", 0o700), regular("a/b", ""), dir("a", 0o711)}, map[string]string{"a": "5 711", "a/b": "0 644"}},
		{"a file twice", []file{regular("a", "bb"), regular("a", "b")}, map[string]string{"a": "0 644 0:0 0,0 . [] 31203120"[:8]}},
		{"a file instead of a directory", []file{regular("a/b", "x"), regular("a", "x")}, map[string]string{"a": "0 644", "a/b": ""}},
		{"a directory instead of a file", []file{regular("a", "x"), dir("a", 0o755), regular("a/b", "x")}, map[string]string{"a": "5 755", "a/b": "0 644"}},
		{"names that lead out", []file{regular("../../a", "x"), regular("/b", "x"), regular("./c/../d", "x")}, map[string]string{"a": "0 644", "b": "0 644", "d": "0 644"}},
		{"what is none of them", []file{{h: tar.Header{Name: "x", Typeflag: 'V'}}, regular("y", "")}, map[string]string{"x": "", "y": "0 644"}},
		{"nothing", nil, map[string]string{".": "5 755"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, got := read(t, written(t, c.list, Options{Compression: Zstd}))
			for name, want := range c.want {
				if line, there := got[name]; there != (want != "") || !strings.HasPrefix(line, want) {
					t.Errorf("%s is %q, want %q", name, line, want)
				}
			}
		})
	}
}

// TestLargeDirectory has more names than a run and a metadata block have, and more
// than a basic inode counts.
func TestLargeDirectory(t *testing.T) {
	var list []file
	for i := range 5000 {
		list = append(list, regular(fmt.Sprintf("d/%05d-%s", i, strings.Repeat("n", 20)), ""))
	}
	slices.Reverse(list)
	f := written(t, list, Options{Compression: Gzip})
	i, got := read(t, f)
	if len(got) != 5002 {
		t.Errorf("%d names", len(got))
	}
	root, err := i.inode(i.super.Root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	if err := i.names(root, func(name string, ref uint64) error {
		d, err := i.inode(ref)
		if err != nil {
			return err
		}
		return i.names(d, func(name string, _ uint64) error { names = append(names, name); return nil })
	}); err != nil || !slices.IsSorted(names) || len(names) != 5000 {
		t.Errorf("%d names, %v", len(names), err)
	}
}

// TestSetsOfAttributes are one where they are equal.
func TestSetsOfAttributes(t *testing.T) {
	var list []file
	for i := range 700 {
		e := regular(fmt.Sprint(i), "")
		e.h.PAXRecords = map[string]string{paxXattr + "user.kind": fmt.Sprint(i % 600), paxXattr + "user.same": "same", paxXattr + "system.acl": "left out", paxXattr + "user.long": strings.Repeat("v", i)}
		if i%2 == 0 {
			e.h.PAXRecords = map[string]string{paxXattr + "user.same": "same"}
		}
		list = append(list, e)
	}
	list = append(list, file{h: tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "0", PAXRecords: map[string]string{paxXattr + "security.x": "\x00"}}})
	list = append(list, file{h: tar.Header{Name: "pipe", Typeflag: tar.TypeFifo, PAXRecords: map[string]string{paxXattr + "trusted.x": ""}}})
	i, got := read(t, written(t, list, Options{Compression: Zstd}))
	if len(i.xattrs) != 350+3 {
		t.Errorf("%d sets", len(i.xattrs))
	}
	for _, e := range list {
		n := 0
		for k := range e.h.PAXRecords {
			if strings.HasPrefix(k, paxXattr+"system.") {
				continue
			}
			if n++; !strings.Contains(got[e.h.Name], strings.TrimPrefix(k, paxXattr)) {
				t.Errorf("%s has no %s", e.h.Name, k)
			}
		}
		if strings.Count(got[e.h.Name], paxXattr) != n {
			t.Errorf("%s has %.200s", e.h.Name, got[e.h.Name])
		}
	}
}

func TestTheSameBytesAgain(t *testing.T) {
	one, err := os.ReadFile(written(t, files(), Options{Compression: Zstd}).Name())
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(written(t, files(), Options{Compression: Zstd}).Name())
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("%d and %d bytes, %v", len(one), len(two), err)
	}
}

// TestBehindSomethingElse has a file system that does not begin its file.
func TestBehindSomethingElse(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, err := Write(t.Context(), f, 8192, archive(t, files()), Options{Compression: Gzip})
	if err != nil {
		t.Fatal(err)
	}
	i, err := Open(io.NewSectionReader(f, 8192, n), n)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := i.WriteTar(t.Context(), &b, ""); err != nil {
		t.Fatal(err)
	}
	same(t, shown(t, &b), shown(t, archive(t, files())))
}

// full takes so many bytes.
type full struct{ left int }

func (f *full) WriteAt(p []byte, _ int64) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, unix.ENOSPC
	}
	return len(p), nil
}

func TestErrorsOfBothSides(t *testing.T) {
	for _, room := range []int{0, 100, 3000, 20000} {
		if _, err := Write(t.Context(), &full{room}, 0, archive(t, files()), Options{Compression: Gzip}); !errors.Is(err, unix.ENOSPC) || !strings.HasPrefix(err.Error(), "write squashfs: ") {
			t.Errorf("with room for %d: %v", room, err)
		}
	}
	lost := errors.New("lost")
	if _, err := Write(t.Context(), &full{1 << 30}, 0, io.MultiReader(io.LimitReader(archive(t, files()), 5000), broken{lost}), Options{Compression: Gzip}); !errors.Is(err, lost) {
		t.Errorf("of an archive that is lost: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Write(ctx, &full{1 << 30}, 0, archive(t, files()), Options{Compression: Gzip}); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end: %v", err)
	}
	i, _ := read(t, written(t, files(), Options{Compression: Gzip}))
	if err := i.WriteTar(ctx, io.Discard, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("read after its end: %v", err)
	}
	if err := i.WriteTar(t.Context(), &bounded{left: 5000}, ""); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("read into what is full: %v", err)
	}
}

type broken struct{ error }

func (b broken) Read([]byte) (int, error) { return 0, b.error }
