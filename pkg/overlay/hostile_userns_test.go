// SPDX-License-Identifier: Apache-2.0

package overlay_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func unmount(dir string) error { return unix.Unmount(dir, unix.MNT_DETACH) }

// canary is a directory outside of the store; the function checks that nothing
// has touched it.
func canary(t *testing.T) (dir string, check func()) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := list(t, dir)
	return dir, func() {
		t.Helper()
		if after := list(t, dir); after != before {
			t.Errorf("the canary was touched: %s", after)
		}
	}
}

func TestL1_NothingLandsOutside(t *testing.T) {
	dir, check := canary(t)
	s := store(t)
	for name, entries := range map[string][]entry{
		"parent":              {{name: "../evil", text: "x"}},
		"parent of a child":   {{name: "a/../../evil", text: "x"}},
		"many parents":        {{name: "../../../../../../../../.." + dir + "/secret", text: "x"}},
		"absolute":            {{name: dir + "/secret", text: "x"}},
		"through a link":      {{name: "d", kind: tar.TypeSymlink, link: dir}, {name: "d/secret", text: "x"}},
		"directory on a link": {{name: "d", kind: tar.TypeSymlink, link: dir}, {name: "d", kind: tar.TypeDir, mode: 0o777}, {name: "d/f", text: "x"}},
		"mode through a link": {{name: "d", kind: tar.TypeDir}, {name: "d", kind: tar.TypeSymlink, link: dir}},
		"relative link":       {{name: "d", kind: tar.TypeSymlink, link: "../../../../../../../.." + dir}, {name: "d/secret", text: "x"}},
		"links to links":      {{name: "a", kind: tar.TypeSymlink, link: "b"}, {name: "b", kind: tar.TypeSymlink, link: dir}, {name: "a/secret", text: "x"}},
		"hard link out":       {{name: "h", kind: tar.TypeLink, link: dir + "/secret"}, {name: "h", text: "x"}},
		"hard link up":        {{name: "h", kind: tar.TypeLink, link: "../../../../../../../../.." + dir + "/secret"}},
		"hard link by a link": {{name: "d", kind: tar.TypeSymlink, link: dir}, {name: "h", kind: tar.TypeLink, link: "d/secret"}, {name: "h", text: "x"}},
		"file over a link":    {{name: "f", kind: tar.TypeSymlink, link: dir + "/secret"}, {name: "f", text: "x"}},
		"sibling":             {{name: "../diff2/x", text: "x"}},
		"whiteout out":        {{name: "d", kind: tar.TypeSymlink, link: dir}, {name: "d/.wh.secret"}},
		"opaque out":          {{name: "d", kind: tar.TypeSymlink, link: dir}, {name: "d/.wh..wh..opq"}},
		"whiteout of parent":  {{name: ".wh..."}, {name: ".wh..."}},
		"whiteout of dotdot":  {{name: "a/.wh..."}, {name: "a/.wh.."}},
		"fifo on a link":      {{name: "d", kind: tar.TypeSymlink, link: dir}, {name: "d/fifo", kind: tar.TypeFifo}},
	} {
		t.Run(name, func(t *testing.T) {
			st, err := s.StageTar(t.Context(), bytes.NewReader(archive(entries...)))
			if err != nil {
				t.Log(err)
			} else {
				if text := list(t, st.Path()); strings.Contains(text, "secret secret") || strings.HasSuffix(text, " secret") {
					t.Errorf("the secret is in the layer:\n%s", text)
				}
				if err := st.Discard(); err != nil {
					t.Error(err)
				}
			}
			check()
		})
	}
}

func TestL2_RootIsADirectory(t *testing.T) {
	_, check := canary(t)
	s := store(t)
	for _, name := range []string{".", "/", "./", "/.", "a/..", "./.", "//"} {
		for _, kind := range []byte{tar.TypeSymlink, tar.TypeReg, tar.TypeLink, tar.TypeFifo, tar.TypeChar} {
			data := append(raw(name, kind, []byte("00000000000\x00")), archive(entry{name: "f", text: "x"})...)
			st, err := s.StageTar(t.Context(), bytes.NewReader(data))
			if err != nil {
				continue
			}
			if info, err := os.Lstat(st.Path()); err != nil || !info.IsDir() {
				t.Errorf("%q of type %d: the root is %v, %v", name, kind, info.Mode(), err)
			}
			_ = st.Discard()
		}
	}
	check()
}

// raw is a header as no library would write it.
func raw(name string, kind byte, size []byte) []byte {
	var h [512]byte
	copy(h[:], name)
	copy(h[100:], "0000644\x00")
	copy(h[108:], "0000000\x00")
	copy(h[116:], "0000000\x00")
	copy(h[124:136], size)
	copy(h[136:], "00000000000\x00")
	h[156] = kind
	copy(h[157:], "/etc/passwd") // of links
	copy(h[257:], "ustar\x0000")
	copy(h[148:], "        ")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h[:]
}

func TestL3_LyingHeaders(t *testing.T) {
	s := store(t)
	big := make([]byte, 12)
	big[0] = 0x80
	binary.BigEndian.PutUint64(big[4:], 1<<62)
	for name, data := range map[string][]byte{
		"a file of 2^62":         append(raw("f", tar.TypeReg, big), make([]byte, 2048)...),
		"a negative size":        raw("f", tar.TypeReg, bytes.Repeat([]byte{0xff}, 12)),
		"an extended header":     append(raw("f", tar.TypeXHeader, []byte("77777777777\x00")), make([]byte, 4096)...),
		"a long name":            append(raw("f", tar.TypeGNULongName, []byte("77777777777\x00")), make([]byte, 4096)...),
		"a sparse file":          append(raw("f", tar.TypeGNUSparse, []byte("77777777777\x00")), make([]byte, 4096)...),
		"an end in the header":   raw("f", tar.TypeReg, []byte("00000000000\x00"))[:300],
		"an end in the contents": append(raw("f", tar.TypeReg, []byte("00000001000\x00")), "short"...),
		"noise":                  bytes.Repeat([]byte("noise"), 1000),
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			st, err := s.StageTar(t.Context(), bytes.NewReader(data))
			if err == nil {
				_ = st.Discard()
				t.Error("it was taken")
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestL5_ManyOpaqueMarks(t *testing.T) {
	s := store(t)
	entries := []entry{{name: "d", kind: tar.TypeDir}}
	for range 20_000 {
		entries = append(entries, entry{name: "d/.wh..wh..opq"})
	}
	began := time.Now()
	if st, err := s.StageTar(t.Context(), bytes.NewReader(archive(entries...))); err == nil {
		_ = st.Discard()
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestL6_BadLayersLeakNothing(t *testing.T) {
	s := store(t)
	good := archive(entry{name: "a/b", text: strings.Repeat("x", 5000)}, entry{name: "c", text: "y"})
	count := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(fds)
	}
	try := func(i int) {
		if st, err := s.StageTar(t.Context(), bytes.NewReader(good[:512+i*13])); err == nil {
			_ = st.Discard()
		}
	}
	try(1)
	before := count()
	for i := range 500 {
		try(i)
	}
	if after := count(); after > before+2 {
		t.Errorf("%d descriptors became %d", before, after)
	}
	left, err := filepath.Glob(filepath.Join(s.Dirs().Storage(), "overlay", "staging", "*", "*"))
	if err != nil || len(left) > 3 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestL7_DeepAndMany(t *testing.T) {
	s := store(t)
	deep := strings.Repeat("d/", 1500)
	if st, err := s.StageTar(t.Context(), bytes.NewReader(archive(entry{name: deep + "f", text: "x"}))); err == nil {
		if err := st.Discard(); err != nil {
			t.Errorf("deep directories cannot be removed: %v", err)
		}
	} else {
		t.Log(err)
	}
	var many []entry
	for i := range 20_000 {
		many = append(many, entry{name: fmt.Sprintf("f%d", i)})
	}
	id := layer(t, s, "", archive(many...))
	if gone, err := s.SweepLayers(t.Context(), nil); err != nil || len(gone) != 1 || gone[0] != id {
		t.Errorf("sweep: %v, %v", gone, err)
	}
}

func TestL8_OddEntries(t *testing.T) {
	s := store(t)
	id := layer(t, s, "", archive(
		entry{name: "null", kind: tar.TypeChar}, entry{name: "disk", kind: tar.TypeBlock}, entry{name: "fifo", kind: tar.TypeFifo},
		entry{name: "suid", text: "x", mode: 0o4755}, entry{name: "\xff\xfe", text: "bytes"},
		entry{name: "was-dir/f", text: "x"}, entry{name: "was-dir", text: "file now"},
		entry{name: "owned", text: "x", uid: 1234},
	))
	want := "fifo prw-r--r-- \nowned -rw-r--r-- x\nsuid urwxr-xr-x x\nwas-dir -rw-r--r-- file now\n\xff\xfe -rw-r--r-- bytes"
	if got := show(t, s, id); got != want {
		t.Errorf("the layer:\n%s\nwant:\n%s", got, want)
	}
	if _, err := s.StageTar(t.Context(), bytes.NewReader(archive(entry{name: strings.Repeat("n", 300)}))); err == nil {
		t.Error("a name of 300 bytes was taken")
	}
	// The kernel sees 32 bits of an id: 0 here.
	for _, kind := range []byte{tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeFifo} {
		if _, err := s.StageTar(t.Context(), bytes.NewReader(archive(entry{name: "e", kind: kind, link: "x", uid: 1 << 32}))); err == nil {
			t.Errorf("%q of user 2^32 was taken", kind)
		}
	}
}

// Notes of overlayfs in an archive would show files of other places.
func TestL8_OverlayAttributesAreStripped(t *testing.T) {
	s := store(t)
	attrs := map[string]string{
		"user.overlay.redirect": "/../../secret", "user.overlay.metacopy": "", "user.overlay.whiteout": "y", "user.overlay.opaque": "x",
		"user.overlay.origin": "x", "trusted.overlay.redirect": "/x", "user.kept": "yes",
	}
	data := archive(entry{name: "d", kind: tar.TypeDir, attrs: attrs}, entry{name: "d/f", text: "x", attrs: attrs}, entry{name: "e/.wh..wh..opq"}, entry{name: "e/f", text: "x"})
	check := func(dir string) {
		t.Helper()
		for _, name := range []string{"d", "d/f"} {
			buf := make([]byte, 1024)
			n, err := unix.Llistxattr(filepath.Join(dir, name), buf)
			if err != nil {
				t.Fatal(err)
			}
			var rest []string
			for a := range strings.SplitSeq(strings.TrimRight(string(buf[:n]), "\x00"), "\x00") {
				if !strings.HasPrefix(a, "security.") {
					rest = append(rest, a)
				}
			}
			if strings.Join(rest, " ") != "user.kept" {
				t.Errorf("%s has %v", name, rest)
			}
		}
	}
	// Whatever the reader's chunks are.
	for _, chunk := range []int{1, 7, 512, 1 << 20} {
		st, err := s.StageTar(t.Context(), &slow{bytes.NewReader(data), chunk})
		if err != nil {
			t.Fatal(err)
		}
		check(st.Path())
		var v [2]byte
		if n, err := unix.Lgetxattr(filepath.Join(st.Path(), "e"), "user.overlay.opaque", v[:]); err != nil || string(v[:n]) != "y" {
			t.Errorf("the whiteout's own mark is gone: %v", err)
		}
		_ = st.Discard()
	}
	id := layer(t, s, "", data)
	r, err := s.OpenTar(id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if again, err := io.ReadAll(r); err != nil || !bytes.Equal(again, data) {
		t.Errorf("the stream is another: %v", err)
	}
}

// slow gives out a few bytes at a time.
type slow struct {
	r    io.Reader
	most int
}

func (s *slow) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), s.most)]) }

func TestWhiteouts(t *testing.T) {
	s := store(t)
	base := layer(t, s, "", archive(
		entry{name: "gone", text: "x"}, entry{name: "gone-dir/f", text: "x"}, entry{name: "kept", text: "x"},
		entry{name: "opaque/old", text: "x"}, entry{name: "link", kind: tar.TypeSymlink, link: "kept"}))
	top := layer(t, s, base, archive(
		entry{name: ".wh.gone"}, entry{name: ".wh.gone-dir"}, entry{name: ".wh.never-there"}, entry{name: "opaque/.wh..wh..opq"},
		entry{name: "opaque/new", text: "y"}, entry{name: ".wh.link"}, entry{name: "new", text: "y"}))
	want := "kept -rw-r--r-- x\nnew -rw-r--r-- y\nopaque drwxr-xr-x \nopaque/new -rw-r--r-- y"
	if got := show(t, s, top); got != want {
		t.Errorf("the image:\n%s\nwant:\n%s", got, want)
	}
}
