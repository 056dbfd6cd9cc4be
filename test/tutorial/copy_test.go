// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// feed runs a command with an input.
func (u *user) feed(in []byte, args ...string) testutil.Result {
	u.t.Helper()
	cmd := u.command(args...)
	cmd.Stdin = bytes.NewReader(in)
	return u.finish(cmd)
}

// pack makes an archive; regular files have their Linkname for content.
func pack(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		text := ""
		if h.Typeflag == tar.TypeReg {
			text, h.Linkname = h.Linkname, ""
			h.Size = int64(len(text))
		}
		h.Format = tar.FormatPAX
		if h.Typeflag == tar.TypeXGlobalHeader {
			h.Format = tar.FormatUnknown
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unpack lists an archive by name.
func unpack(t *testing.T, data string) map[string]*tar.Header {
	t.Helper()
	list := map[string]*tar.Header{}
	for r := tar.NewReader(strings.NewReader(data)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list[strings.TrimSuffix(h.Name, "/")] = h
	}
}

// bothWays runs f with a container that runs, and with one that does not.
func bothWays(u *user, f func(name string), options ...string) {
	u.ok(slices.Concat([]string{"run", "-d", "--network", "none", "--name", "runs"}, options, []string{"busybox", "sleep", "1000"})...)
	u.ok(slices.Concat([]string{"create", "--network", "none", "--name", "rests"}, options, []string{"busybox", "true"})...)
	f("runs")
	f("rests")
	u.ok("rm", "-fv", "runs", "rests")
}

// skeletons are directories to0, to1, … to copy to.
func skeletons(n int) []tar.Header {
	var list []tar.Header
	for i := range n {
		to := fmt.Sprintf("to%d/", i)
		list = append(list, tar.Header{Name: to, Typeflag: tar.TypeDir, Mode: 0o755}, tar.Header{Name: to + "dir/", Typeflag: tar.TypeDir, Mode: 0o755},
			tar.Header{Name: to + "file", Typeflag: tar.TypeReg, Mode: 0o644, Linkname: "old"},
			tar.Header{Name: to + "dangling", Typeflag: tar.TypeSymlink, Linkname: "made"}, tar.Header{Name: to + "todir", Typeflag: tar.TypeSymlink, Linkname: "dir"})
	}
	return list
}

// TestCopyTable is docker's table of what becomes of a source and a
// destination, into containers and out of them.
func TestCopyTable(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.write("src/f", "new")
	u.write("src/sub/g", "new")
	u.write("file", "new")
	table := []struct{ src, dst, want, fails string }{
		{"file", "new", "new", ""},
		{"file", "newdir/", "", "no such directory"},
		{"file", "file", "file", ""},
		{"file", "file/", "", "no such directory"},
		{"file", "dir", "dir/file", ""},
		{"file", "dir/.", "dir/file", ""},
		{"file", "todir", "dir/file", ""},
		{"file", "todir/x", "dir/x", ""},
		{"file", "dangling", "made", ""},
		{"file", "no/such", "", "Could not find the file /to9/no in container|directory \".*no\" does not exist"},
		{"src", "new", "new/sub/g", ""},
		{"src", "new/", "new/sub/g", ""},
		{"src", "dir", "dir/src/sub/g", ""},
		{"src/", "dir", "dir/src/f", ""},
		{"src/.", "dir", "dir/sub/g", ""},
		{"src/.", "new", "new/f", ""},
		{"src", "file", "", "cannot copy directory"},
		{"nosuch", "dir", "", "nosuch: no such file or directory|Could not find the file /nosuch"},
	}
	archive := pack(t, skeletons(len(table))...)
	bothWays(u, func(name string) {
		if r := u.feed(archive, "cp", "-", name+":/"); r.Code != 0 || r.Err != "" {
			t.Fatal(r.Err)
		}
		out := filepath.Join(u.home, "out-"+name)
		for i, tt := range table {
			to := fmt.Sprintf("/to%d/", i)
			r := u.result("cp", tt.src, name+":"+to+tt.dst)
			there := u.result("cp", name+":"+to+tt.want, "-").Out
			if r.Code == 0 != (tt.fails == "") || !regexp.MustCompile(tt.fails).MatchString(r.Err) || tt.fails == "" && !strings.Contains(there, "new") {
				t.Errorf("cp %s %s:%s: %d %q", tt.src, name, tt.dst, r.Code, r.Err)
			}
		}
		u.ok("cp", name+":/", out) // the skeletons, and what the copies made of them
		for i, tt := range table {
			to := filepath.Join(out, fmt.Sprintf("to%d", i))
			if data, err := os.ReadFile(filepath.Join(to, tt.want)); tt.fails == "" && (err != nil || string(data) != "new") {
				t.Errorf("out of %s: %s %q %v", name, tt.want, data, err)
			}
		}
	})
	u.ok("run", "-d", "--network", "none", "--name", "from", "busybox", "sleep", "1000")
	u.ok("cp", "src", "from:/src")
	u.ok("cp", "file", "from:/file")
	for i, tt := range table {
		to := filepath.Join(u.home, fmt.Sprintf("to%d", i))
		if err := errors.Join(os.MkdirAll(filepath.Join(to, "dir"), 0o755), os.WriteFile(filepath.Join(to, "file"), []byte("old"), 0o644),
			os.Symlink("made", filepath.Join(to, "dangling")), os.Symlink("dir", filepath.Join(to, "todir"))); err != nil {
			t.Fatal(err)
		}
		r := u.result("cp", "from:/"+tt.src, to+"/"+tt.dst)
		data, _ := os.ReadFile(filepath.Join(to, tt.want))
		if r.Code == 0 != (tt.fails == "") || !regexp.MustCompile(tt.fails).MatchString(r.Err) || tt.fails == "" && string(data) != "new" {
			t.Errorf("cp from:/%s %s: %d %q, %q", tt.src, tt.dst, r.Code, r.Err, data)
		}
	}
}

// kinds are files that are more than their bytes.
func kinds(t *testing.T) []byte {
	past := time.Date(2001, 2, 3, 4, 5, 6, 789e6, time.UTC)
	capability := map[string]string{
		"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", // cap_net_bind_service=ep
		"SCHILY.xattr.user.note":           "kept", "SCHILY.xattr.user.overlay.opaque": "y",
	}
	return pack(t,
		tar.Header{Name: "pax_global_header", Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "a commit"}},
		tar.Header{Name: "k/", Typeflag: tar.TypeDir, Mode: 0o1770, ModTime: past, Uid: 7, Gid: 8},
		tar.Header{Name: "k/program", Typeflag: tar.TypeReg, Mode: 0o4711, ModTime: past, Linkname: "program"},
		tar.Header{Name: "k/able", Typeflag: tar.TypeReg, Mode: 0o755, ModTime: past, Linkname: "able", PAXRecords: capability},
		tar.Header{Name: "k/again", Typeflag: tar.TypeLink, Linkname: "k/program"},
		tar.Header{Name: "k/link", Typeflag: tar.TypeSymlink, Linkname: "/nowhere", ModTime: past},
		tar.Header{Name: "k/sub/", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: past},
		tar.Header{Name: "k/sub/able", Typeflag: tar.TypeLink, Linkname: "k/able", Mode: 0o755},
		tar.Header{Name: "k/sub/link", Typeflag: tar.TypeLink, Linkname: "k/link"},
		tar.Header{Name: "k/pipe", Typeflag: tar.TypeFifo, Mode: 0o620, ModTime: past},
		tar.Header{Name: "k/zeros", Typeflag: tar.TypeReg, Mode: 0o600, ModTime: past, Linkname: strings.Repeat("\x00", 4<<20) + "end"},
		tar.Header{Name: "k/closed/", Typeflag: tar.TypeDir, Mode: 0o500, ModTime: past},
		tar.Header{Name: "k/closed/f", Typeflag: tar.TypeReg, Mode: 0o400, ModTime: past, Linkname: "f"},
		tar.Header{Name: "/k/absolute", Typeflag: tar.TypeReg, Mode: 0o600, ModTime: past, Linkname: "a"},
		tar.Header{Name: "k/device", Typeflag: tar.TypeChar, Mode: 0o600, Devmajor: 1, Devminor: 3})
}

// checkKinds looks at an archive of what became of kinds below a directory.
func checkKinds(t *testing.T, what, data, dir string, owners bool) {
	t.Helper()
	have := unpack(t, data)
	at := func(name string) *tar.Header {
		h := have[dir+name]
		if h == nil {
			t.Errorf("%s: %s is not there", what, name)
			return &tar.Header{}
		}
		return h
	}
	past := time.Date(2001, 2, 3, 4, 5, 6, 789e6, time.UTC)
	for name, mode := range map[string]int64{"": 0o1770, "/program": 0o4711, "/able": 0o755, "/pipe": 0o620, "/zeros": 0o600, "/closed": 0o500, "/closed/f": 0o400, "/absolute": 0o600} {
		h := at(name)
		if h.Typeflag == tar.TypeLink { // its other name came first
			h = at("/again")
		}
		if h.Mode != mode || !h.ModTime.Equal(past) {
			t.Errorf("%s: %s: mode %o, want %o; %v", what, name, h.Mode, mode, h.ModTime)
		}
	}
	if h := at(""); owners && (h.Uid != 7 || h.Gid != 8) {
		t.Errorf("%s: owned by %d:%d", what, h.Uid, h.Gid)
	}
	if a, b := at("/program"), at("/again"); a.Typeflag != tar.TypeLink && b.Typeflag != tar.TypeLink {
		t.Errorf("%s: two files became of one", what)
	}
	if at("/sub/able").Linkname != dir+"/able" || at("/sub/link").Typeflag != tar.TypeLink || at("/sub/link").Linkname != dir+"/link" {
		t.Errorf("%s: links in another directory are files of their own", what)
	}
	if h := at("/pipe"); h.Typeflag != tar.TypeFifo {
		t.Errorf("%s: the pipe is a %c", what, h.Typeflag)
	}
	if h := at("/link"); h.Linkname != "/nowhere" {
		t.Errorf("%s: the link leads to %q", what, h.Linkname)
	}
	records := at("/able").PAXRecords
	if records["SCHILY.xattr.user.note"] != "kept" || owners && records["SCHILY.xattr.security.capability"] == "" || records["SCHILY.xattr.user.overlay.opaque"] != "" {
		t.Errorf("%s: attributes %q", what, records)
	}
}

// TestCopyKeepsWhatFilesAre takes files of all kinds through cp, export, commit
// and a new volume.
func TestCopyKeepsWhatFilesAre(t *testing.T) {
	u := newUser(t)
	if singleID(t) {
		t.Skip("with a single id there are no owners to keep")
	}
	u.image("busybox.tar", "busybox")
	bothWays(u, func(name string) {
		r := u.feed(kinds(t), "cp", "-", name+":/tmp")
		if r.Code != 0 || !strings.Contains(r.Err, `"k/device": a device`) {
			t.Errorf("what cannot be made: %d %q", r.Code, r.Err)
		}
		checkKinds(t, "cp to and from "+name, u.ok("cp", name+":/tmp/k", "-"), "k", true)
		export := filepath.Join(u.home, "export.tar")
		u.ok("export", "-o", export, name)
		data, err := os.ReadFile(export)
		if err != nil {
			t.Fatal(err)
		}
		checkKinds(t, "export of "+name, string(data), "tmp/k", true)
		u.ok("import", export, "imported")
		u.ok("commit", name, "committed")
		for _, image := range []string{"imported", "committed"} {
			u.ok("create", "--name", "filled", "-v", "/tmp/k", image, "true")
			checkKinds(t, "a new volume of "+image, u.ok("cp", "filled:/tmp/k", "-"), "k", true)
			if got := u.ok("run", "--rm", "--network", "none", image, "stat", "-c", "%h %b", "/tmp/k/link", "/tmp/k/zeros"); !regexp.MustCompile(`^2 \d+\n1 \d{1,3}$`).MatchString(got) {
				t.Errorf("names and blocks in %s: %q", image, got)
			}
			u.ok("rm", "-v", "filled")
			u.ok("rmi", image)
		}
		here := filepath.Join(u.home, name)
		u.ok("cp", name+":/tmp/k", here)
		if info, err := os.Stat(filepath.Join(here, "zeros")); err != nil || info.Size() != 4<<20+3 || info.Sys().(*syscall.Stat_t).Blocks > 1024 {
			t.Errorf("the sparse file: %v %v", info, err)
		}
		u.ok("cp", here, name+":/again")
		checkKinds(t, "cp out of and into "+name, u.ok("cp", name+":/again", "-"), "again", false)
	})
}

// TestCopyFollowsLinksInside unpacks below links of the container, which lead
// to what they mean there.
func TestCopyFollowsLinksInside(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	links := pack(t, tar.Header{Name: "real/", Typeflag: tar.TypeDir, Mode: 0o755}, tar.Header{Name: "absolute", Typeflag: tar.TypeSymlink, Linkname: "/real"},
		tar.Header{Name: "w/", Typeflag: tar.TypeDir, Mode: 0o755}, tar.Header{Name: "w/relative", Typeflag: tar.TypeSymlink, Linkname: "../real"})
	bothWays(u, func(name string) {
		u.feed(links, "cp", "-", name+":/")
		for path, dir := range map[string]string{"absolute/a": "/", "relative/b": "/w"} {
			r := u.feed(pack(t, tar.Header{Name: path, Typeflag: tar.TypeReg, Mode: 0o644, Linkname: "x"}), "cp", "-", name+":"+dir)
			if r.Code != 0 {
				t.Errorf("%s below a link: %s", path, r.Err)
			}
		}
		if have := unpack(t, u.ok("cp", name+":/real", "-")); have["real/a"] == nil || have["real/b"] == nil {
			t.Errorf("in %s: %v", name, have)
		}
		for what, h := range map[string]tar.Header{
			"is outside of it":                          {Name: "../x", Typeflag: tar.TypeReg},
			"link to nosuch":                            {Name: "x", Typeflag: tar.TypeLink, Linkname: "nosuch"},
			"cannot overwrite directory":                {Name: "real", Typeflag: tar.TypeReg},
			"cannot overwrite non-directory":            {Name: "absolute/", Typeflag: tar.TypeDir},
			`"../../x" is outside of it`:                {Name: "x", Typeflag: tar.TypeLink, Linkname: "../../x"},
			"a hard link to itself":                     {Name: "absolute", Typeflag: tar.TypeLink, Linkname: "absolute"},
			"unexpected EOF":                            {},
			"destination \"" + name + ":/nosuch\" must": {Name: "nosuch"},
		} {
			in, to := pack(t, h), name+":/"
			switch h.Name {
			case "":
				in = []byte("this is no archive")
			case "nosuch":
				to += "nosuch"
			}
			if r := u.feed(in, "cp", "-", to); r.Code != 1 || !strings.Contains(r.Err, what) {
				t.Errorf("%s: %d %q", what, r.Code, r.Err)
			}
		}
	})
}

// TestCopySeesMounts copies through volumes and binds, running or not, and is
// refused where they are read-only.
func TestCopySeesMounts(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	host := filepath.Join(u.home, "host")
	file := u.write("file", "x")
	u.write("host/there", "there")
	bothWays(u, func(name string) {
		for _, dir := range []string{"/named", "/anonymous", "/bind"} {
			u.ok("cp", file, name+":"+dir)
			if have := unpack(t, u.ok("cp", name+":"+dir+"/file", "-")); have["file"] == nil {
				t.Errorf("%s of %s has no file", dir, name)
			}
			if got := u.ok("run", "--rm", "--network", "none", "--volumes-from", name, "busybox", "cat", dir+"/file"); got != "x" {
				t.Errorf("%s of %s: %q", dir, name, got)
			}
		}
		if data, err := os.ReadFile(filepath.Join(host, "file")); err != nil || string(data) != "x" {
			t.Errorf("the bind mount's directory: %q %v", data, err)
		}
		u.fails(1, []string{"mounted volume is marked read-only"}, "cp", file, name+":/readonly/")
		u.ok("cp", name+":/readonly/there", filepath.Join(u.home, "got"))
		if have := unpack(t, u.ok("export", name)); have["bind/there"] != nil || have["bind"] == nil {
			t.Error("an export has the files of a mount, or not the place of it")
		}
		if diff := u.ok("diff", name); strings.Contains(diff, "file") || !strings.Contains(diff, "A /bind") {
			t.Errorf("diff: %s", diff)
		}
	}, "-v", "named:/named", "-v", "/anonymous", "-v", host+":/bind", "-v", host+":/readonly:ro")
	bothWays(u, func(name string) {
		u.fails(1, []string{"container rootfs is marked read-only"}, "cp", file, name+":/tmp")
		u.ok("cp", file, name+":/named")
		u.ok("cp", name+":/bin/busybox", filepath.Join(u.home, "got"))
	}, "--read-only", "-v", "named:/named")
	u.ok("create", "--name", "box", "--tmpfs", "/scratch", "busybox", "true")
	u.fails(1, []string{"/scratch is a tmpfs"}, "cp", file, "box:/scratch/x")
	u.fails(1, []string{"/scratch is a tmpfs"}, "cp", file, "box:/scratch")
	in := pack(t, tar.Header{Name: "scratch/x", Typeflag: tar.TypeReg, Mode: 0o644, Linkname: "x"})
	if r := u.feed(in, "cp", "-", "box:/"); r.Code != 1 || !strings.Contains(r.Err, "scratch/x: read-only file system") {
		t.Errorf("into a tmpfs, by a stream: %d %q", r.Code, r.Err)
	}
	u.ok("start", "-a", "box")
}

// TestCopyLeavesMounts: what a file is mounted on is not replaced, which would
// take the mount away from a container that runs.
func TestCopyLeavesMounts(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	file, bound := u.write("file", "new"), u.write("bound", "bound")
	bothWays(u, func(name string) {
		u.fails(1, []string{"bound: device or resource busy"}, "cp", file, name+":/bound")
		if name == "runs" {
			u.fails(1, []string{"hosts: device or resource busy"}, "cp", file, name+":/etc/hosts")
			if got := u.ok("exec", name, "sh", "-c", "cat /bound; grep -c -e ' /bound ' -e ' /etc/hosts ' /proc/mounts"); got != "bound2" {
				t.Errorf("in the container: %q", got)
			}
		}
		// Of the whole root no word is lost about what no other engine copies.
		if r := u.result("cp", name+":/", "-"); r.Code != 0 || r.Err != "" || unpack(t, r.Out)["proc/self"] != nil || unpack(t, r.Out)["proc"] == nil && name == "runs" {
			t.Errorf("the whole of %s: %d %q", name, r.Code, r.Err)
		}
	}, "-v", bound+":/bound")
	// What the last run had for names is there after it, too.
	u.ok("run", "--name", "ran", "--network", "none", "-h", "boat", "--dns", "192.0.2.1", "-v", bound+":/etc/hosts", "busybox", "true")
	for path, want := range map[string]string{"hostname": "boat\n", "hosts": "bound"} {
		to := filepath.Join(u.home, path)
		u.ok("cp", "ran:/etc/"+path, to)
		if data, err := os.ReadFile(to); err != nil || string(data) != want {
			t.Errorf("%s after the run: %q %v", path, data, err)
		}
	}
	if data, err := os.ReadFile(bound); err != nil || string(data) != "bound" {
		t.Errorf("the mounted file: %q %v", data, err)
	}
}

// TestCopyOddNames takes names that are no text through a copy, a link and diff.
func TestCopyOddNames(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	odd := "odd\xff\xfe name"
	file := u.write(odd, "odd")
	bothWays(u, func(name string) {
		u.ok("cp", file, name+":/tmp")
		u.feed(pack(t, tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "tmp/" + odd}), "cp", "-", name+":/")
		u.ok("cp", u.write("new", "new"), name+":/link") // to what the link leads to
		to := filepath.Join(u.home, "to-"+name)
		u.ok("cp", name+":/tmp/"+odd, to)
		if data, err := os.ReadFile(to); string(data) != "new" || err != nil {
			t.Errorf("of %s: %q, %v", name, data, err)
		}
		if diff := u.ok("diff", name); !strings.Contains(diff, "A /tmp/"+odd) {
			t.Errorf("diff of %s: %q", name, diff)
		}
	})
}
