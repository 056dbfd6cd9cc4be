// SPDX-License-Identifier: Apache-2.0

package files

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDestinationCannotBeLeft(t *testing.T) {
	outside, tg := t.TempDir(), tempTarget(t)
	secret := filepath.Join(outside, "secret")
	if err := errors.Join(os.Symlink(outside, tg.path+"/abs"), os.Symlink("../../../../../.."+outside, tg.path+"/up"),
		os.WriteFile(secret, []byte("host"), 0o600)); err != nil {
		t.Fatal(err)
	}
	tr := tempTree(t, nil, "f", "d/f", "d/secret")
	for _, dest := range []string{"/abs/x", "/up/x/", "/abs/../x", "/../x", "/abs/", "/up", "/abs/secret", "/up/secret/"} {
		for _, src := range []string{"f", "d", "."} {
			_, _ = copied(t, tr, tg, src, dest, Options{})
		}
	}
	for _, dest := range []string{"/", "/abs", "/up/", "/abs/deep"} {
		for _, h := range []tar.Header{
			{Name: "abs/f", Typeflag: tar.TypeReg}, {Name: "../../up/f", Typeflag: tar.TypeReg}, {Name: "own/f", Typeflag: tar.TypeReg},
			{Name: "own/d", Typeflag: tar.TypeDir}, {Name: "own", Typeflag: tar.TypeDir, Mode: 0o777}, {Name: "own/secret", Typeflag: tar.TypeSymlink, Linkname: "x"},
			{Name: "own/p", Typeflag: tar.TypeFifo}, {Name: "hard", Typeflag: tar.TypeLink, Linkname: "own/secret"},
			{Name: "hard", Typeflag: tar.TypeLink, Linkname: secret}, {Name: "hard", Typeflag: tar.TypeLink, Linkname: "../../../../.." + secret},
			{Name: secret, Typeflag: tar.TypeReg},
		} {
			for _, link := range []string{outside, "../../../../../../../.." + outside, "/proc/self/root" + outside, "/proc/self/cwd"} {
				tr := archive(t, tar.Header{Name: "own", Typeflag: tar.TypeSymlink, Linkname: link}, h)
				_, _ = copied(t, tr, tg, "a.tar", dest, Options{Unpack: true})
			}
		}
	}
	entries, err := os.ReadDir(outside)
	data, rerr := os.ReadFile(secret)
	if err := errors.Join(err, rerr); err != nil || len(entries) != 1 || string(data) != "host" {
		t.Errorf("HOST PATH WAS CHANGED: %v, %q, %v", entries, data, err)
	}
	if st, err := os.Stat(outside); err != nil || st.Mode().Perm() == 0o777 {
		t.Errorf("HOST DIRECTORY WAS CHANGED: %v, %v", st, err)
	}
	if _, err := os.Lstat(filepath.Join(tg.path, outside, "f")); err != nil {
		t.Errorf("the links were not followed inside, so nothing was tried: %v", err)
	}
	err = filepath.WalkDir(tg.path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if data, err := os.ReadFile(p); err != nil || bytes.Equal(data, []byte("host")) {
			t.Errorf("HOST FILE IS IN THE IMAGE as %s, %v", p, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLeftOutWithAWord(t *testing.T) {
	tg := tempTarget(t)
	tr := archive(t, tar.Header{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}, tar.Header{Name: "whiteout", Typeflag: tar.TypeChar},
		tar.Header{Name: "disk", Typeflag: tar.TypeBlock, Devmajor: 8}, tar.Header{Name: ".wh.gone", Typeflag: tar.TypeReg},
		tar.Header{Name: "d/.wh..wh..opq", Typeflag: tar.TypeReg}, tar.Header{Name: ".wh.dir/f", Typeflag: tar.TypeReg}, tar.Header{Name: "f", Typeflag: tar.TypeReg})
	warnings, err := copied(t, tr, tg, "a.tar", "/", Options{Unpack: true})
	if err != nil || len(warnings) != 6 {
		t.Errorf("warnings are %q, %v", warnings, err)
	}
	warnings, err = copied(t, tempTree(t, nil, "d/.wh.x", "d/.wh.y/z", "d/f"), tg, "d", "/", Options{})
	if err != nil || len(warnings) == 0 {
		t.Errorf("warnings are %q, %v", warnings, err)
	}
	entries, err := os.ReadDir(tg.path)
	if err != nil || len(entries) != 1 || entries[0].Name() != "f" {
		t.Errorf("there is %v, %v", entries, err)
	}
}

func TestHolesStayHoles(t *testing.T) {
	tr, tg := tempTree(t, nil, "f"), tempTarget(t)
	const size = 64 << 20
	f, err := os.Create(tr.path + "/f")
	if err != nil {
		t.Fatal(err)
	}
	_, werr := f.WriteAt([]byte("middle"), size/2)
	if err := errors.Join(werr, f.Truncate(size), f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := copied(t, tr, tg, "f", "/g", Options{}); err != nil {
		t.Fatal(err)
	}
	var from, to unix.Stat_t
	if err := errors.Join(unix.Stat(tr.path+"/f", &from), unix.Stat(tg.path+"/g", &to)); err != nil {
		t.Fatal(err)
	}
	if from.Blocks*512 >= size {
		t.Skip("the file system has no holes")
	}
	if to.Size != size || to.Blocks*512 > size/2 {
		t.Errorf("copy has %d bytes in %d blocks, the file %d", to.Size, to.Blocks, from.Blocks)
	}
	a, aerr := os.ReadFile(tr.path + "/f")
	b, berr := os.ReadFile(tg.path + "/g")
	if err := errors.Join(aerr, berr); err != nil || !bytes.Equal(a, b) {
		t.Errorf("the copy is another: %v", err)
	}
}

func TestSourceThatChanges(t *testing.T) {
	tr, tg := tempTree(t, nil, "d/f"), tempTarget(t)
	c := &Copy{Verb: "COPY", Dest: "/x/", Chown: me}
	if err := errors.Join(c.Add(tr, "d", Options{}), os.WriteFile(tr.path+"/d/f", []byte("longer now"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := c.Write(t.Context(), tg); !errors.Is(err, ErrChanged) {
		t.Errorf("error is %v", err)
	}
	// Who puts a pipe or a link in place of the file makes nobody wait, and
	// shows nothing else.
	for _, swap := range []func(p string) error{func(p string) error { return unix.Mkfifo(p, 0o600) }, func(p string) error { return os.Symlink("/etc/passwd", p) }} {
		c := &Copy{Verb: "COPY", Dest: "/y/", Chown: me}
		if err := errors.Join(os.Remove(tr.path+"/d/f"), os.WriteFile(tr.path+"/d/f", nil, 0o644), c.Add(tr, "d", Options{}), os.Remove(tr.path+"/d/f"), swap(tr.path+"/d/f")); err != nil {
			t.Fatal(err)
		}
		if err := c.Write(t.Context(), tg); err == nil {
			t.Error("a file that is none any more was copied")
		}
		if data, err := os.ReadFile(tg.path + "/y/f"); err == nil && len(data) > 0 {
			t.Errorf("HOST FILE WAS COPIED: %q", data)
		}
	}
}

func TestMode(t *testing.T) {
	const dir, file = unix.S_IFDIR, unix.S_IFREG
	tests := []struct {
		text       string
		from, want uint32
	}{
		{"755", file | 0o600, file | 0o755}, {"0644", dir | 0o777, dir | 0o644}, {"u+x", file | 0o644, file | 0o744}, {"go-w", file | 0o666, file | 0o644},
		{"a=rX", file | 0o600, file | 0o444}, {"a=rX", dir | 0o600, dir | 0o555}, {"u=rwX,go=rX", file | 0o711, file | 0o755}, {"+x", file | 0o644, file | 0o755},
		{"u+s", file | 0o755, file | 0o4755}, {"u+s", file | 0o2755, file | 0o6755}, {"+t", dir | 0o777, dir | 0o1777}, {"g=u", file | 0o640, file | 0o660},
		{"o=g,u+x", file | 0o640, file | 0o744}, {"go=u-w", file | 0o700, file | 0o755}, {"a-s", file | 0o6755, file | 0o755}, {"4755", file, file | 0o4755},
	}
	for _, tt := range tests {
		m, err := ParseMode(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
		} else if got := m.apply(tt.from); got != tt.want {
			t.Errorf("%s of %o: got %o, want %o", tt.text, tt.from, got, tt.want)
		}
	}
	for _, bad := range []string{"999", "u", "z+x", "u+q", "77777", "-1", "0x1ff", "u+x,", ",", "7 55"} {
		if _, err := ParseMode(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestOwner(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(dir+"/etc", 0o755),
		os.WriteFile(dir+"/etc/passwd", []byte("root:x:0:0:::\n\nshort\nbad:x:99999999999:1::/:\napp:x:101:102::/:\n12:x:1000:1000::/:\n:x:5:5::/:"), 0o644),
		os.WriteFile(dir+"/etc/group", []byte("staff:x:50:app\nshort:x\nbig:x:4294967296:\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		text string
		want Owner
		err  string
	}{
		{"1000", Owner{1000, 1000}, ""}, {"1000:", Owner{1000, 1000}, ""}, {":1000", Owner{0, 1000}, ""}, {"1:2", Owner{1, 2}, ""}, {"101", Owner{101, 101}, ""},
		{"app", Owner{101, 102}, ""}, {"app:", Owner{101, 102}, ""}, {"app:staff", Owner{101, 50}, ""}, {":staff", Owner{0, 50}, ""}, {"root", Owner{}, ""},
		{"12", Owner{12, 12}, ""}, {"nobody", Owner{}, "no matching entries"}, {"app:none", Owner{}, "no matching entries"}, {"bad", Owner{}, "no matching entries"},
		{"short", Owner{}, "no matching entries"}, {"1:big", Owner{}, "no matching entries"}, {"4294967296", Owner{}, "must be in range"}, {"-1", Owner{}, "must be in range"},
		{"1:4294967295", Owner{}, "must be in range"}, {"+5", Owner{}, "must be in range"},
	}
	for _, tt := range tests {
		got, err := ResolveOwner(dir, tt.text)
		if tt.err == "" && (err != nil || got != tt.want) || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%q: %+v, %v; want %+v, %s", tt.text, got, err, tt.want, tt.err)
		}
	}
}
