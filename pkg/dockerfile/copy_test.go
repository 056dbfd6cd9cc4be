// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// listed is what a source gives: "target" or "target<name" of each item.
func listed(t *testing.T, tr *tree, src string, c transfer) string {
	t.Helper()
	p := &plan{}
	if err := p.addSource(tr, src, c); err != nil {
		return err.Error()
	}
	var list []string
	for _, it := range p.items {
		if it.target == "" {
			it.target = "."
		}
		list = append(list, it.target)
	}
	return strings.Join(list, " ")
}

const notFound = "failed to compute cache key: failed to calculate checksum of ref: "

func TestSources(t *testing.T) {
	files := []string{"a.go", "b.go", "c.txt", "d/e.go", "d/f/g.txt", "node_modules/x/y"}
	tests := []struct {
		ignore []string
		src    string
		want   string
	}{
		{nil, "a.go", "a.go"},
		{nil, "/../../a.go", "a.go"},
		{nil, "*.go", "a.go b.go"},
		{nil, "c*", "c.txt"},
		{nil, "*/e.go", "e.go"},
		{nil, "*.none", ""},
		{nil, "none", notFound + `"/none": not found`},
		{nil, "a.go/x", notFound + `"/a.go/x": not found`},
		{nil, "d", ". e.go f f/g.txt"},
		{[]string{"node_modules", "*.txt"}, ".", ". a.go b.go d d/e.go d/f d/f/g.txt"},
		{[]string{"**/*.txt"}, "d", ". e.go f"},
		{[]string{"*", "!d/f"}, ".", ". d d/f d/f/g.txt"},
		{[]string{"d", "!d/f/g.txt"}, "d", ". f f/g.txt"},
		{[]string{"d", "!a.go"}, "d", notFound + `"/d": not found`},
		{[]string{"a.go"}, "a.go", notFound + `"/a.go": not found`},
		{[]string{"d"}, "d/e.go", notFound + `"/d/e.go": not found`},
		{[]string{"a.go"}, "*.go", "b.go"},
	}
	for _, tt := range tests {
		if got := listed(t, tempTree(t, tt.ignore, files...), tt.src, transfer{}); got != tt.want {
			t.Errorf("%q without %q: got %q, want %q", tt.src, tt.ignore, got, tt.want)
		}
	}
}

func TestParentsAndExclude(t *testing.T) {
	tr := tempTree(t, nil, "d/e.go", "d/f/g.txt", "d/f/h.go", "a.txt")
	tests := []struct {
		src  string
		c    transfer
		want string
	}{
		{"d/e.go", transfer{parents: true}, "d/e.go"},
		{"d/f", transfer{parents: true}, "d/f d/f/g.txt d/f/h.go"},
		{"./d/./f", transfer{parents: true}, "f f/g.txt f/h.go"},
		{"d/*.go", transfer{parents: true}, "d/e.go"},
		{"d", transfer{exclude: []string{"f"}}, ". e.go"},
		{"d", transfer{exclude: []string{"**/*.txt"}}, ". e.go f f/h.go"},
		{"d", transfer{exclude: []string{"*", "!f/g.txt"}}, ". f f/g.txt"},
		{"a*", transfer{exclude: []string{"*.txt"}}, ""},
	}
	for _, tt := range tests {
		if got := listed(t, tr, tt.src, tt.c); got != tt.want {
			t.Errorf("%q with %+v: got %q, want %q", tt.src, tt.c, got, tt.want)
		}
	}
}

func TestContextCannotBeLeft(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	tr := tempTree(t, nil, "a")
	for name, to := range map[string]string{"abs": outside, "dir": filepath.Dir(outside), "up": "../../../../../../" + outside} {
		if err := os.Symlink(to, filepath.Join(tr.path, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, src := range []string{"abs", "up", "dir/secret", "dir/*", "../" + outside} {
		p := &plan{}
		if err := p.addSource(tr, src, transfer{}); err == nil && len(p.items) > 0 {
			t.Errorf("HOST FILE WAS FOUND through %q: %+v", src, p.items)
		}
	}
}

func openTestTarget(t *testing.T) *target {
	t.Helper()
	tg, err := openTarget(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tg.close)
	return tg
}

// me owns what the tests write: they may give files to nobody else.
var me = owner{os.Getuid(), os.Getgid()}

func archiveOf(t *testing.T, heads ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range heads {
		h.Uid, h.Gid, h.Format = me.uid, me.gid, tar.FormatPAX
		data := []byte("x")
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(data))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write(data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDestinationCannotBeLeft(t *testing.T) {
	outside, tg := t.TempDir(), openTestTarget(t)
	if err := errors.Join(os.Symlink(outside, tg.path+"/abs"), os.Symlink("../../../../../.."+outside, tg.path+"/up")); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"/abs/x", "/up/x", "/abs/../x", "/../x"} {
		_ = tg.mkdirAll(p, me)
	}
	data := archiveOf(t,
		tar.Header{Name: "abs/f", Typeflag: tar.TypeReg, Mode: 0o644},
		tar.Header{Name: "../../up/f", Typeflag: tar.TypeReg, Mode: 0o644},
		tar.Header{Name: "own", Typeflag: tar.TypeSymlink, Linkname: outside},
		tar.Header{Name: "own/f", Typeflag: tar.TypeReg, Mode: 0o644},
	)
	if err := tg.extract(bytes.NewReader(data), "/", &me); err != nil {
		t.Log(err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("HOST PATH WAS CHANGED: %v, %v", entries, err)
	}
}

func TestExtract(t *testing.T) {
	tg := openTestTarget(t)
	when := time.Unix(1e9, 0)
	data := archiveOf(t,
		tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o750, ModTime: when},
		tar.Header{Name: "d/f", Typeflag: tar.TypeReg, Mode: 0o640, ModTime: when},
		tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "d/f"},
		tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../../up"},
		tar.Header{Name: "dev", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3},
	)
	if err := tg.extract(bytes.NewReader(data), "/to/here", &me); err != nil {
		t.Fatal(err)
	}
	at := tg.path + "/to/here"
	d, err := os.Stat(at + "/d")
	if err != nil || d.Mode() != fs.ModeDir|0o750 || !d.ModTime().Equal(when) {
		t.Errorf("directory: %v, %v", d, err)
	}
	f, err := os.Stat(at + "/d/f")
	h, herr := os.Stat(at + "/h")
	if err != nil || herr != nil || !os.SameFile(f, h) || f.Mode() != 0o640 || !f.ModTime().Equal(when) {
		t.Errorf("file: %v, %v; link: %v, %v", f, err, h, herr)
	}
	if l, err := os.Readlink(at + "/l"); err != nil || l != "../../up" {
		t.Errorf("link: %s, %v", l, err)
	}
	if _, err := os.Lstat(at + "/dev"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("device: %v", err)
	}
}

// copied copies src of a tree to dest in a target.
func copied(t *testing.T, tr *tree, tg *target, src, dest string, c transfer) error {
	t.Helper()
	c.SourcePaths, c.DestPath, c.verb = []string{src}, dest, "COPY"
	p, err := newPlan(&stage{}, c)
	if err != nil {
		return err
	}
	if err := p.addSource(tr, src, c); err != nil {
		return err
	}
	w := &writer{p: p, t: tg, own: &me}
	intoDir := p.isDir || tg.isDir(p.dest)
	for _, it := range p.items {
		name := w.place(it, intoDir)
		if err := w.item(it, name); err != nil {
			return err
		}
	}
	return tg.setTimes(w.dirs)
}

func TestCopyOverWhatIsThere(t *testing.T) {
	tr := tempTree(t, nil, "f", "d/x", "d/sub/y")
	old := time.Unix(1e9, 0)
	if err := errors.Join(os.Chmod(tr.path+"/d/sub", 0o700), os.Chtimes(tr.path+"/d/sub", old, old), os.Chtimes(tr.path+"/f", old, old)); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, before     string // shell-like: kind:path[>link]
		src, dest        string
		want             string // a file that has the source's content then
		err              string
		stays, isSymlink string
	}{
		{name: "new file", src: "f", dest: "/a/b", want: "/a/b"},
		{name: "into a new directory", src: "f", dest: "/a/", want: "/a/f"},
		{name: "into a directory that is there", before: "d:/a", src: "f", dest: "/a", want: "/a/f"},
		{name: "over a file", before: "f:/a", src: "f", dest: "/a", want: "/a"},
		{name: "through a link to a directory", before: "d:/r l:/a>r", src: "f", dest: "/a/", want: "/r/f", isSymlink: "/a"},
		{name: "through a link to a file", before: "f:/r l:/a>/r", src: "f", dest: "/a", want: "/r", isSymlink: "/a"},
		{name: "through a link to nothing", before: "l:/a>/r", src: "f", dest: "/a/", want: "/r/f", isSymlink: "/a"},
		{name: "in place of a link in the directory", before: "f:/r d:/a l:/a/f>/r", src: "f", dest: "/a", want: "/a/f", stays: "/r"},
		{name: "directory over a directory", before: "d:/a f:/a/old", src: "d", dest: "/a", want: "/a/sub/y", stays: "/a/old"},
		{name: "directory over a file", before: "f:/a", src: "d", dest: "/a", err: "cannot copy to non-directory: /a"},
		{name: "below a file", before: "f:/a", src: "f", dest: "/a/b", err: "cannot copy to non-directory: /a"},
		{name: "file over a directory", before: "d:/a d:/a/f", src: "f", dest: "/a", err: "cannot copy to directory: /a/f"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tg := openTestTarget(t)
			for _, b := range strings.Fields(tt.before) {
				kind, p, _ := strings.Cut(b, ":")
				p, link, _ := strings.Cut(p, ">")
				var err error
				switch kind {
				case "d":
					err = os.Mkdir(tg.path+p, 0o755)
				case "f":
					err = os.WriteFile(tg.path+p, []byte("old"), 0o644)
				case "l":
					err = os.Symlink(link, tg.path+p)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			err := copied(t, tr, tg, tt.src, tt.dest, transfer{})
			if message(err) != tt.err {
				t.Fatalf("error is %v, want %s", err, tt.err)
			}
			if tt.want != "" {
				if info, err := os.Lstat(tg.path + tt.want); err != nil || !info.Mode().IsRegular() {
					t.Errorf("%s: %v, %v", tt.want, info, err)
				}
				if data, err := os.ReadFile(tg.path + tt.want); err != nil || string(data) == "old" {
					t.Errorf("%s has %q, %v", tt.want, data, err)
				}
			}
			if tt.stays != "" {
				if data, err := os.ReadFile(tg.path + tt.stays); err != nil || string(data) != "old" {
					t.Errorf("%s has %q, %v", tt.stays, data, err)
				}
			}
			if tt.isSymlink != "" {
				if _, err := os.Readlink(tg.path + tt.isSymlink); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestCopyKeepsModesAndTimes(t *testing.T) {
	tr := tempTree(t, nil, "d/sub/y")
	old := time.Unix(1e9, 0)
	if err := errors.Join(os.Chmod(tr.path+"/d/sub/y", fs.ModeSetuid|0o711), os.Chtimes(tr.path+"/d/sub/y", old, old),
		os.Chmod(tr.path+"/d/sub", 0o700), os.Chtimes(tr.path+"/d/sub", old, old)); err != nil {
		t.Fatal(err)
	}
	tg := openTestTarget(t)
	if err := copied(t, tr, tg, "d", "/to", transfer{}); err != nil {
		t.Fatal(err)
	}
	for p, mode := range map[string]fs.FileMode{"/to/sub": fs.ModeDir | 0o700, "/to/sub/y": fs.ModeSetuid | 0o711} {
		if info, err := os.Stat(tg.path + p); err != nil || info.Mode() != mode || !info.ModTime().Equal(old) {
			t.Errorf("%s: %v of %v, %v", p, info.Mode(), info.ModTime(), err)
		}
	}
	if err := copied(t, tr, tg, "d", "/mode", transfer{chmod: "u=rwX,go="}); err != nil {
		t.Fatal(err)
	}
	for p, mode := range map[string]fs.FileMode{"/mode/sub": fs.ModeDir | 0o700, "/mode/sub/y": fs.ModeSetuid | 0o700} {
		if info, err := os.Stat(tg.path + p); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", p, info.Mode(), err)
		}
	}
}

func TestModeChange(t *testing.T) {
	tests := []struct {
		text string
		from uint32
		dir  bool
		want uint32
	}{
		{"755", 0o600, false, 0o755}, {"0644", 0o777, true, 0o644}, {"u+x", 0o644, false, 0o744}, {"go-w", 0o666, false, 0o644},
		{"a=rX", 0o600, false, 0o444}, {"a=rX", 0o600, true, 0o555}, {"u=rwX,go=rX", 0o711, false, 0o755}, {"+x", 0o644, false, 0o755}, {"u+s", 0o755, false, 0o4755},
	}
	for _, tt := range tests {
		f, err := parseMode(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
		} else if got := f(tt.from, tt.dir); got != tt.want {
			t.Errorf("%s of %o: got %o, want %o", tt.text, tt.from, got, tt.want)
		}
	}
	for _, bad := range []string{"999", "u", "z+x", "u+q", "77777"} {
		if _, err := parseMode(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
