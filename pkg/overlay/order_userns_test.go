// SPDX-License-Identifier: Apache-2.0

package overlay_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/overlay"
)

// What a layer makes of the one below, whatever the order of its entries.
func TestEntriesInAnyOrder(t *testing.T) {
	below := archive(
		entry{name: "a", kind: tar.TypeDir}, entry{name: "a/old", text: "o"}, entry{name: "f", text: "f"},
		entry{name: "tmp", kind: tar.TypeDir, mode: 0o1777}, entry{name: "to", kind: tar.TypeSymlink, link: "a"})
	const rest = "f -rw-r--r-- f\ntmp dtrwxrwxrwx \nto Lrwxrwxrwx a"
	dir, opaque := entry{name: "a", kind: tar.TypeDir}, map[string]string{"user.overlay.opaque": "y"}
	for name, c := range map[string]struct {
		entries []entry
		want    string
	}{
		"removed, then made":               {[]entry{{name: ".wh.a"}, dir, {name: "a/new", text: "n"}}, "a drwxr-xr-x \na/new -rw-r--r-- n\n" + rest},
		"made, then removed":               {[]entry{dir, {name: "a/new", text: "n"}, {name: ".wh.a"}}, "a drwxr-xr-x \na/new -rw-r--r-- n\n" + rest},
		"removed, then implied":            {[]entry{{name: ".wh.a"}, {name: "a/new", text: "n"}}, "!not a directory"},
		"removed, and what is in it":       {[]entry{{name: ".wh.a"}, {name: "a/.wh.old"}}, rest},
		"what is in it, then removed":      {[]entry{{name: "a/.wh.old"}, {name: ".wh.a"}}, rest},
		"emptied at the end":               {[]entry{{name: "a/new", text: "n"}, {name: "a/.wh..wh..opq"}}, "a drwxr-xr-x \na/new -rw-r--r-- n\n" + rest},
		"a file removed and made":          {[]entry{{name: ".wh.f"}, {name: "f", text: "g"}}, "a drwxr-xr-x \na/old -rw-r--r-- o\n" + strings.Replace(rest, "-- f", "-- g", 1)},
		"a file made and removed":          {[]entry{{name: "f", text: "g"}, {name: ".wh.f"}}, "a drwxr-xr-x \na/old -rw-r--r-- o\n" + strings.Replace(rest, "-- f", "-- g", 1)},
		"a directory becomes a file":       {[]entry{{name: "a", text: "file"}}, "a -rw-r--r-- file\n" + rest},
		"a file, then a directory":         {[]entry{{name: "a", text: "file"}, dir, {name: "a/new", text: "n"}}, "a drwxr-xr-x \na/new -rw-r--r-- n\na/old -rw-r--r-- o\n" + rest},
		"a file twice":                     {[]entry{{name: "f", text: "1"}, {name: "./f", text: "2"}}, "a drwxr-xr-x \na/old -rw-r--r-- o\n" + strings.Replace(rest, "-- f", "-- 2", 1)},
		"a link in the place of a file":    {[]entry{{name: "f", text: "1"}, {name: "f", kind: tar.TypeSymlink, link: "a"}}, "a drwxr-xr-x \na/old -rw-r--r-- o\n" + strings.Replace(rest, "f -rw-r--r-- f", "f Lrwxrwxrwx a", 1)},
		"behind a link of the layer":       {[]entry{{name: "l", kind: tar.TypeSymlink, link: "/a"}, dir, {name: "l/x", text: "x"}}, "a drwxr-xr-x \na/old -rw-r--r-- o\na/x -rw-r--r-- x\nf -rw-r--r-- f\nl Lrwxrwxrwx /a\ntmp dtrwxrwxrwx \nto Lrwxrwxrwx a"},
		"behind a link to nothing":         {[]entry{{name: "l", kind: tar.TypeSymlink, link: "a"}, {name: "l/x", text: "x"}}, "a drwxr-xr-x \na/old -rw-r--r-- o\na/x -rw-r--r-- x\nf -rw-r--r-- f\nl Lrwxrwxrwx a\ntmp dtrwxrwxrwx \nto Lrwxrwxrwx a"},
		"a directory that is only implied": {[]entry{{name: "tmp/x", text: "x"}}, "a drwxr-xr-x \na/old -rw-r--r-- o\nf -rw-r--r-- f\ntmp dtrwxrwxrwx \ntmp/x -rw-r--r-- x\nto Lrwxrwxrwx a"},
		"marks of overlayfs":               {[]entry{{name: "a", kind: tar.TypeDir, attrs: opaque}, {name: "a/up", text: "u", attrs: map[string]string{"user.overlay.whiteout": "y"}}}, "a drwxr-xr-x \na/old -rw-r--r-- o\na/up -rw-r--r-- u\n" + rest},
		"notes of aufs":                    {[]entry{{name: ".wh..wh.plnk", kind: tar.TypeDir}, {name: ".wh..wh.aufs", text: "x"}}, "a drwxr-xr-x \na/old -rw-r--r-- o\n" + rest},
		"a hard link to a device":          {[]entry{{name: "d", kind: tar.TypeChar}, {name: "e", kind: tar.TypeLink, link: "d"}}, "a drwxr-xr-x \na/old -rw-r--r-- o\n" + rest},
	} {
		t.Run(name, func(t *testing.T) {
			s := store(t)
			base := layer(t, s, "", below)
			data := archive(c.entries...)
			st, err := s.StageTar(t.Context(), bytes.NewReader(data))
			if want, bad := strings.CutPrefix(c.want, "!"); bad {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			id, err := s.Commit(st, base, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := show(t, s, id); got != c.want {
				t.Errorf("the image:\n%s\nwant:\n%s", got, c.want)
			}
			again(t, s, id, data)
		})
	}
}

// again checks that the stream of a layer can be made again.
func again(t *testing.T, s *overlay.Store, id overlay.LayerID, want []byte) {
	t.Helper()
	r, err := s.OpenTar(id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the stream is another: %d bytes for %d, %v", len(got), len(want), err)
	}
}

// The files of such layers are not what stands in the stream any more.
func TestStreamsOfReplacedFiles(t *testing.T) {
	s := store(t)
	long := strings.Repeat("long", 500_000)
	data := archive(
		entry{name: "twice", text: long}, entry{name: "twice", text: "short"}, entry{name: "twice", text: "last"},
		entry{name: "d/e/f", text: "below"}, entry{name: "d/e/l", kind: tar.TypeLink, link: "d/e/f"}, entry{name: "kept", kind: tar.TypeLink, link: "d/e/f"},
		entry{name: "d", text: "a file now"}, entry{name: "to", kind: tar.TypeSymlink, link: "way"}, entry{name: "way", kind: tar.TypeDir},
		entry{name: "to/x", text: "through"}, entry{name: "to", kind: tar.TypeDir}, entry{name: "to/x", text: "no link"})
	data = append(data, bytes.Repeat([]byte{0}, 4096)...) // padding
	id := layer(t, s, "", data)
	want := "d -rw-r--r-- a file now\nkept -rw-r--r-- below\nto drwxr-xr-x \nto/x -rw-r--r-- no link\ntwice -rw-r--r-- last\nway drwxr-xr-x \nway/x -rw-r--r-- through"
	if got := show(t, s, id); got != want {
		t.Errorf("the layer:\n%s\nwant:\n%s", got, want)
	}
	again(t, s, id, data)
}

// sparse is a file in GNU tar's form 1.0 of it: real bytes, of which data stand
// at off.
func sparse(name string, real, off int64, data string) []byte {
	var records string
	for _, r := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.realsize=" + strconv.FormatInt(real, 10), "GNU.sparse.name=" + name} {
		n := len(r) + 4
		records += fmt.Sprintf("%02d %s\n", n, r)
	}
	size := func(n int) []byte { return fmt.Appendf(nil, "%011o\x00", n) }
	block := func(s string) []byte { return append([]byte(s), make([]byte, (512-len(s)%512)%512)...) }
	content := append(block(fmt.Sprintf("1\n%d\n%d\n", off, len(data))), data...)
	out := append(raw("x", tar.TypeXHeader, size(len(records))), block(records)...)
	out = append(append(out, raw("GNUSparseFile.0/"+name, tar.TypeReg, size(len(content)))...), block(string(content))...)
	return append(out, make([]byte, 1024)...)
}

func TestSparseFiles(t *testing.T) {
	s := store(t)
	data := sparse("f", 5<<30, 1<<30, "in the middle")
	id := layer(t, s, "", data)
	lowers, err := s.Lowers(id)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(lowers[0], "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Size != 5<<30 || st.Blocks > 64 {
		t.Errorf("size %d, %d blocks, %v", st.Size, st.Blocks, err)
	}
	text := make([]byte, 13)
	if _, err := f.ReadAt(text, 1<<30); err != nil || string(text) != "in the middle" {
		t.Errorf("%q, %v", text, err)
	}
	again(t, s, id, data)

	// What was sparse before a program without a word for it packed it.
	data = archive(entry{name: "zeros", text: strings.Repeat("\x00", 8<<20) + "end"}, entry{name: "all", text: strings.Repeat("\x00", 1<<20)})
	id = layer(t, s, "", data)
	if lowers, err = s.Lowers(id); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int64{"zeros": 8<<20 + 3, "all": 1 << 20} {
		if err := unix.Lstat(filepath.Join(lowers[0], name), &st); err != nil || st.Size != size || st.Blocks > 1024 {
			t.Errorf("%s: size %d, %d blocks, %v", name, st.Size, st.Blocks, err)
		}
	}
	again(t, s, id, data)
}

// Archives that are made without a look for holes have the zeros; so have the
// streams that we make.
func TestZerosBecomeHoles(t *testing.T) {
	const mib = 1 << 20
	zeros := strings.Repeat("\x00", mib)
	for name, c := range map[string]struct {
		text string
		most int64 // blocks of 512 bytes
	}{
		"in the middle": {"a" + zeros + zeros + "z", 2 * 160}, "at the end": {"a" + zeros + zeros, 160}, "all": {zeros, 8}, "few": {zeros[:1000], 8},
	} {
		s := store(t)
		data := archive(entry{name: "f", text: c.text}, entry{name: "g", text: "g"})
		id := layer(t, s, "", data)
		lowers, err := s.Lowers(id)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(lowers[0], "f")
		var st unix.Stat_t
		if err := unix.Stat(file, &st); err != nil || st.Size != int64(len(c.text)) || st.Blocks > c.most {
			t.Errorf("%s: size %d, %d blocks, %v", name, st.Size, st.Blocks, err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != c.text {
			t.Errorf("%s: the file has something else, %v", name, err)
		}
		again(t, s, id, data)
	}
}

// A few hundred bytes may not make us write, or read, for hours.
func TestSparseBombs(t *testing.T) {
	s := store(t)
	began := time.Now()
	_, err := s.StageTar(t.Context(), bytes.NewReader(sparse("f", 9e18, 20e12, "x")))
	if err == nil || !strings.Contains(err.Error(), "more than 32 GiB") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	left, err := filepath.Glob(filepath.Join(s.Dirs().Storage(), "overlay", "staging", "*", "*"))
	if err != nil || len(left) > 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// The caller's umask is none of a layer's business.
func TestUmaskStaysOutside(t *testing.T) {
	for _, mask := range []int{0o077, 0, 0o777} {
		s := store(t) // a directory of nobody's would be refused: the program has another umask by then
		old := unix.Umask(mask)
		id := layer(t, s, "", archive(entry{name: "implied/too/f", text: "x", mode: 0o666}, entry{name: "fifo", kind: tar.TypeFifo, mode: 0o622}))
		unix.Umask(old)
		want := "fifo prw--w--w- \nimplied drwxr-xr-x \nimplied/too drwxr-xr-x \nimplied/too/f -rw-rw-rw- x"
		if got := show(t, s, id); got != want {
			t.Errorf("umask %o:\n%s\nwant:\n%s", mask, got, want)
		}
	}
}

func TestCapabilitiesAndAttributesSurvive(t *testing.T) {
	s := store(t)
	caps := string([]byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) // cap_net_bind_service=ep
	attrs := map[string]string{"security.capability": caps, "user.note": "kept"}
	uid := 1000
	if single(t) {
		uid = 0
	}
	id := layer(t, s, "", archive(
		entry{name: "bin", text: "x", mode: 0o4755, uid: uid, attrs: attrs}, entry{name: "link", kind: tar.TypeLink, link: "bin", mode: 0o4755, uid: uid},
		entry{name: "bare", kind: tar.TypeLink, link: "bin", mode: 0o4755, uid: uid},
		entry{name: "d", kind: tar.TypeDir, attrs: map[string]string{"user.note": "kept"}}))
	lowers, err := s.Lowers(id)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bin", "link", "bare", "d"} {
		var v [64]byte
		if n, err := unix.Lgetxattr(filepath.Join(lowers[0], name), "user.note", v[:]); err != nil || string(v[:n]) != "kept" {
			t.Errorf("%s has lost its note: %v", name, err)
		}
		if _, err := unix.Lgetxattr(filepath.Join(lowers[0], name), "security.capability", v[:]); err != nil && name != "d" {
			t.Errorf("%s has lost its capability: %v", name, err)
		}
	}
	if info, err := os.Lstat(filepath.Join(lowers[0], "link")); err != nil || info.Mode() != os.ModeSetuid|0o755 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
}
