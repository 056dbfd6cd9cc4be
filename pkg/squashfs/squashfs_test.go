// SPDX-License-Identifier: Apache-2.0

package squashfs

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// file is one entry of an archive.
type file struct {
	h    tar.Header
	text string
}

var when = time.Unix(1600000000, 0)

// files are one of each kind, with owners, attributes, names that sort oddly, contents
// of less and more than a block, zeros, and a directory of many.
func files() []file {
	list := []file{
		{h: tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755, PAXRecords: map[string]string{paxXattr + "user.note": "root's"}}},
		{h: tar.Header{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755}},
		{h: tar.Header{Name: "bin/su", Typeflag: tar.TypeReg, Mode: 0o4755}, text: strings.Repeat("program ", 50000)},
		{h: tar.Header{Name: "bin/ping", Typeflag: tar.TypeReg, Mode: 0o755, PAXRecords: map[string]string{paxXattr + "security.capability": "\x01\x00\x00\x02\x00\x20"}}, text: "ping"},
		{h: tar.Header{Name: "bin/su2", Typeflag: tar.TypeLink, Linkname: "bin/su"}},
		{h: tar.Header{Name: "bin/sh", Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: "../busybox"}},
		{h: tar.Header{Name: "empty", Typeflag: tar.TypeReg, Mode: 0, Uid: 4000000000, Gid: 5}},
		{h: tar.Header{Name: "home/joe/", Typeflag: tar.TypeDir, Mode: 0o1700, Uid: 1000, Gid: 1001}},
		{h: tar.Header{Name: "home/joe/zeros", Typeflag: tar.TypeReg, Mode: 0o600, Uid: 1000, Gid: 1001}, text: strings.Repeat("\x00", 3*blockSize+17)},
		{h: tar.Header{Name: "home/joe/block", Typeflag: tar.TypeReg, Mode: 0o600, Uid: 1000}, text: strings.Repeat("b", blockSize)},
		{h: tar.Header{Name: "dev/null", Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 3}},
		{h: tar.Header{Name: "dev/big", Typeflag: tar.TypeBlock, Mode: 0o660, Gid: 6, Devmajor: 259, Devminor: 70000}},
		{h: tar.Header{Name: "dev/pipe", Typeflag: tar.TypeFifo, Mode: 0o600}},
	}
	for i := range 1000 {
		list = append(list, file{h: tar.Header{Name: fmt.Sprintf("many/%d%s", i, strings.Repeat("n", i%200)), Typeflag: tar.TypeReg, Mode: 0o644}, text: fmt.Sprint(i)})
	}
	return list
}

func archive(t testing.TB, list []file) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range list {
		h := f.h
		if h.Size, h.Format = int64(len(f.text)), tar.FormatPAX; h.ModTime.IsZero() {
			h.ModTime = when
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// shown is an archive's entries by their names, a line each.
func shown(t testing.TB, r io.Reader) map[string]string {
	t.Helper()
	out := map[string]string{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		var xattrs []string
		for _, k := range slices.Sorted(maps.Keys(h.PAXRecords)) {
			if strings.HasPrefix(k, paxXattr) {
				xattrs = append(xattrs, k+"="+h.PAXRecords[k])
			}
		}
		name := filepath.Clean(h.Name)
		line := fmt.Sprintf("%c %o %d:%d %d,%d %s %q %x", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Devmajor, h.Devminor, filepath.Clean(h.Linkname), xattrs, sum(data))
		if h.Typeflag == tar.TypeLink {
			line = "link"
		} else if h.Typeflag != tar.TypeDir {
			line += fmt.Sprint(h.ModTime.Unix())
		}
		out[name] = line
	}
}

func sum(data []byte) string { return fmt.Sprint(len(data), bytes.Count(data, []byte("b"))) }

func written(t testing.TB, list []file, o Options) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "x.sqsh"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	n, err := Write(t.Context(), f, 0, archive(t, list), o)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := f.Stat(); err != nil || st.Size() != n || n%4096 != 0 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	return f
}

func read(t testing.TB, f *os.File) (*Image, map[string]string) {
	t.Helper()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	i, err := Open(f, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := i.WriteTar(t.Context(), &b, "user.taken"); err != nil {
		t.Fatal(err)
	}
	return i, shown(t, &b)
}

// same compares archives, of which got has directories that want does not speak of.
func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name, line := range want {
		if got[name] != line {
			t.Errorf("%s is %s, want %s", name, got[name], line)
		}
	}
	for name, line := range got {
		if want[name] == "" && line[0] != tar.TypeDir {
			t.Errorf("%s is there: %s", name, line)
		}
	}
}

func TestThereAndBack(t *testing.T) {
	want := shown(t, archive(t, files()))
	for _, c := range []Compression{Gzip, Zstd} {
		f := written(t, files(), Options{Compression: c, Xattrs: map[string]string{"user.taken": "x"}})
		i, got := read(t, f)
		same(t, got, want)
		if a, err := i.Attributes(); err != nil || a["user.taken"] != "x" || a["user.note"] != "root's" {
			t.Errorf("%q, %v", a, err)
		}
	}
	if _, err := Write(t.Context(), nil, 0, nil, Options{Compression: LZ4}); err == nil {
		t.Error("lz4 is written")
	}
}

// tool is one of squashfs-tools.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip("squashfs-tools are not installed")
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// TestWhatUnsquashfsSees has the tools' reader look at ours.
func TestWhatUnsquashfsSees(t *testing.T) {
	f := written(t, files(), Options{Compression: Zstd})
	list := tool(t, "unsquashfs", "-d", "", "-lln", f.Name())
	for _, want := range []string{"-rwsr-xr-x 0/0 ", "drwx-----T 1000/1001 ", "crw-rw-rw- 0/0 ", "---------- 4000000000/5 ", "/bin/sh -> ../busybox", "/many/999"} {
		if !strings.Contains(strings.ReplaceAll(list, ", ", ","), want) {
			t.Errorf("%q is missing", want)
		}
	}
	dir := filepath.Join(t.TempDir(), "root")
	_ = exec.Command("unsquashfs", "-no-xattrs", "-d", dir, f.Name()).Run() // devices are not this user's to make
	for _, e := range files() {
		if e.h.Typeflag != tar.TypeReg || e.h.Name == "empty" {
			continue
		}
		if data, err := os.ReadFile(filepath.Join(dir, e.h.Name)); err != nil || string(data) != e.text {
			t.Errorf("%s: %d bytes, %v", e.h.Name, len(data), err)
		}
	}
}

// TestWhatMksquashfsMakes reads what the tools make, with fragments, in all
// compressions.
func TestWhatMksquashfsMakes(t *testing.T) {
	dir := t.TempDir()
	var want []file
	for _, e := range files() {
		path := filepath.Join(dir, e.h.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch e.h.Typeflag {
		case tar.TypeReg:
			err = os.WriteFile(path, []byte(e.text), 0o644)
		case tar.TypeSymlink:
			err = os.Symlink(e.h.Linkname, path)
		default:
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		e.h.Mode, e.h.Uid, e.h.Gid, e.h.PAXRecords = 0o644, 7, 8, nil
		if e.h.Typeflag == tar.TypeSymlink {
			e.h.Mode = 0o777
		}
		want = append(want, e)
	}
	for _, c := range []string{"gzip", "xz", "lz4", "zstd"} {
		t.Run(c, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "x.sqsh")
			tool(t, "mksquashfs", dir, out, "-comp", c, "-force-uid", "7", "-force-gid", "8", "-no-progress", "-all-time", "1600000000")
			f, err := os.Open(out)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			_, got := read(t, f)
			same(t, got, shown(t, archive(t, want)))
		})
	}
}

// TestHostile spoils each byte of a small file system: nothing that comes of it goes
// on for ever or out of its bounds.
func TestHostile(t *testing.T) {
	f := written(t, files()[:13], Options{Compression: Gzip})
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	for n := range superSize {
		for _, v := range []byte{0, 1, 0x7f, 0xff} {
			spoiled := bytes.Clone(data)
			spoiled[n] = v
			look(t, spoiled)
		}
	}
	for n := range len(data) / 16 {
		look(t, data[:n*16])
	}
}

func look(t testing.TB, data []byte) {
	i, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return
	}
	_, _ = i.Attributes()
	err = i.WriteTar(t.Context(), &bounded{left: 64 << 20}, "")
	if err != nil && !strings.HasPrefix(err.Error(), "read squashfs: ") {
		t.Error(err)
	}
}

// bounded takes so much and no more.
type bounded struct{ left int }

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errors.New("full")
	}
	return len(p), nil
}

func TestArchivesThatAreNone(t *testing.T) {
	for want, list := range map[string][]file{
		"is not there":       {{h: tar.Header{Name: "a", Typeflag: tar.TypeLink, Linkname: "b"}}},
		"is not a directory": {{h: tar.Header{Name: "a", Typeflag: tar.TypeReg}}, {h: tar.Header{Name: "a/b", Typeflag: tar.TypeReg}}},
		"name is too long":   {{h: tar.Header{Name: strings.Repeat("n", 300), Typeflag: tar.TypeReg}}},
	} {
		f, err := os.Create(filepath.Join(t.TempDir(), "x"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Write(t.Context(), f, 0, archive(t, list), Options{Compression: Gzip}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		f.Close()
	}
}

func FuzzOpen(f *testing.F) {
	for _, c := range []Compression{Gzip, Zstd} {
		data, err := os.ReadFile(written(f, files()[:13], Options{Compression: c}).Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { look(t, data) })
}

func FuzzUnLZ4(f *testing.F) {
	f.Add([]byte("\x1fa\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if out, err := unLZ4(data, 1<<16); err == nil && len(out) > 1<<16 {
			t.Error(len(out))
		}
	})
}
