// SPDX-License-Identifier: Apache-2.0

package build

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"golang.org/x/sys/unix"
)

// long ago, so that files of a context are told from files of the build.
const longAgo = 981173106 // 2001-02-03

// makeContext makes the directory that a case describes.
func makeContext(t *testing.T, c testCase) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	dated := map[string]int64{}
	for _, s := range c.sections {
		switch f := strings.Fields(s.name); {
		case s.name == "context":
			list := parseEntries(t, s.text)
			makeEntries(t, dir, list)
			for _, e := range list {
				dated[filepath.Join(dir, e.path)] = e.number("mtime", 10, longAgo)
			}
		case s.name == "Dockerfile" || s.name == ".dockerignore":
			makeEntries(t, dir, []entry{{"file", s.name, map[string]string{"data": s.text}}})
		case len(f) > 1 && f[0] == "archive":
			data := makeArchive(t, f[1], f[2:], parseEntries(t, s.text))
			makeEntries(t, dir, []entry{{"file", f[1], map[string]string{"data": string(data)}}})
		}
	}
	age(t, dir, dated)
	return dir
}

func makeEntries(t *testing.T, dir string, list []entry) {
	t.Helper()
	for _, e := range list {
		if err := makeEntry(dir, filepath.Join(dir, e.path), e); err != nil {
			t.Fatalf("make %s %s: %v", e.kind, e.path, err)
		}
	}
}

// age gives everything below dir the time that it is dated, or one long ago.
func age(t *testing.T, dir string, dated map[string]int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		when := unix.Timespec{Sec: longAgo}
		if sec, ok := dated[p]; ok {
			when.Sec = sec
		}
		return unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{when, when}, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func makeEntry(dir, p string, e entry) error {
	mode := uint32(e.number("mode", 8, 0o644))
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		return err
	}
	var err error
	switch e.kind {
	case "dir":
		mode = uint32(e.number("mode", 8, 0o755))
		if err = os.Mkdir(p, 0o755); os.IsExist(err) {
			err = nil
		}
	case "file":
		err = writeFile(p, e)
	case "link":
		return os.Symlink(e.set["to"], p)
	case "hard":
		return os.Link(filepath.Join(dir, e.set["to"]), p)
	case "fifo":
		err = unix.Mkfifo(p, 0o600)
	default:
		err = fmt.Errorf("no such kind")
	}
	if err != nil {
		return err
	}
	for k, v := range e.xattrs() {
		if err := unix.Lsetxattr(p, k, []byte(v), 0); err != nil {
			return &fs.PathError{Op: "set " + k, Path: p, Err: err}
		}
	}
	return unix.Chmod(p, mode)
}

// writeFile writes a file whose hole comes first.
func writeFile(p string, e entry) error {
	f, err := os.Create(p)
	if err != nil {
		return err
	}
	defer f.Close()
	hole := e.number("hole", 10, 0)
	if _, err := f.WriteAt(e.data(), hole); err != nil {
		return err
	}
	return f.Truncate(hole + int64(len(e.data())))
}

// makeArchive makes a tar archive, compressed as its name says.
func makeArchive(t *testing.T, name string, options []string, list []entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := compressor(t, name, &b)
	tw := tar.NewWriter(w)
	format := tar.FormatPAX
	if slices.Contains(options, "gnu") {
		format = tar.FormatGNU
	}
	for _, e := range list {
		data := e.data()
		h := header(t, e, format, len(data))
		if err := tw.WriteHeader(h); err != nil {
			t.Fatalf("%s: %v", e.path, err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := tw.Write(data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	for _, o := range options {
		if n, ok := strings.CutPrefix(o, "truncate="); ok {
			n, err := strconv.Atoi(n)
			if err != nil || n > len(data) {
				t.Fatalf("%s of %d bytes", o, len(data))
			}
			data = data[:n]
		}
	}
	return data
}

var kinds = map[string]byte{
	"dir": tar.TypeDir, "file": tar.TypeReg, "link": tar.TypeSymlink, "hard": tar.TypeLink, "fifo": tar.TypeFifo,
	"char": tar.TypeChar, "global": tar.TypeXGlobalHeader,
}

func header(t *testing.T, e entry, format tar.Format, size int) *tar.Header {
	t.Helper()
	h := &tar.Header{
		Typeflag: kinds[e.kind], Name: e.path, Linkname: e.set["to"], Format: format,
		Mode: e.number("mode", 8, 0o644), Uid: int(e.number("uid", 10, 0)), Gid: int(e.number("gid", 10, 0)),
		ModTime: time.Unix(e.number("mtime", 10, longAgo), 0), Devmajor: e.number("major", 10, 0), Devminor: e.number("minor", 10, 0),
	}
	switch h.Typeflag {
	case tar.TypeReg:
		h.Size = int64(size)
	case tar.TypeDir:
		h.Mode = e.number("mode", 8, 0o755)
		h.Name = strings.TrimSuffix(h.Name, "/") + "/"
	case tar.TypeXGlobalHeader:
		return &tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: e.path, PAXRecords: map[string]string{"comment": "x"}, Format: tar.FormatPAX}
	case 0:
		t.Fatalf("no such kind of entry: %s", e.kind)
	}
	for k, v := range e.xattrs() {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords["SCHILY.xattr."+k] = v
	}
	return h
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func compressor(t *testing.T, name string, w io.Writer) io.WriteCloser {
	t.Helper()
	var c io.WriteCloser = nopCloser{w}
	var err error
	switch filepath.Ext(name) {
	case ".gz":
		c = gzip.NewWriter(w)
	case ".zst":
		c, err = zstd.NewWriter(w)
	case ".xz":
		c, err = xz.NewWriter(w)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}
