// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
	"coracle/pkg/xattr"
)

func TestParseOverride(t *testing.T) {
	for text, want := range map[string]bool{
		"5:6:0755": true, "5:6:755": true, "0:0:0100644:file": true, "4294967294:0:0": true,
		"": false, "5": false, "5:6": false, "a:6:0": false, "-1:0:0": false, "4294967295:0:0": false, "99999999999:0:0": false, " 5:6:0": false,
	} {
		if _, _, ok := parseOverride(text); ok != want {
			t.Errorf("%q: %v", text, ok)
		}
	}
	if u, g, _ := parseOverride("5:6:0755"); u != 5 || g != 6 {
		t.Errorf("%d:%d", u, g)
	}
}

func TestRecord(t *testing.T) {
	dir, fd := testutil.Noted(t)
	err := errors.Join(os.WriteFile(filepath.Join(dir, "f"), nil, 0o640), os.Mkdir(filepath.Join(dir, "d"), 0o755),
		os.Symlink("nowhere", filepath.Join(dir, "l")), unix.Mkfifo(filepath.Join(dir, "p"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]uint32{"f": unix.S_IFREG | 0o640, "d": unix.S_IFDIR | 0o755, "l": unix.S_IFLNK | 0o777, "p": unix.S_IFIFO | 0o600}
	set := func(uid, gid int) {
		t.Helper()
		for name, mode := range modes {
			if err := Record(fd, name, uid, gid, mode); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if u, g := RecordedName(dir, name, mode, 1, 2); (uid != 0 || gid != 0) && (u != uid || g != gid) || uid+gid == 0 && (u != 1 || g != 2) {
				t.Errorf("%s of %d:%d: %d:%d", name, uid, gid, u, g)
			}
		}
	}
	set(5, 6)
	set(7, 0)
	var buf [64]byte
	if n, err := unix.Getxattr(filepath.Join(dir, "f"), xattr.Override, buf[:]); err != nil || string(buf[:n]) != "7:0:0640" {
		t.Errorf("podman's tools would read %q: %v", buf[:max(n, 0)], err)
	}
	if err := Record(unix.AT_FDCWD, filepath.Join(dir, "l"), 9, 9, modes["l"]); err != nil {
		t.Fatal(err)
	}
	if u, g, ok := Noted(dir, "l", modes["l"]); !ok || u != 9 || g != 9 {
		t.Errorf("by its path: %d:%d %v", u, g, ok)
	}
	set(0, 0)
	for _, name := range []string{xattr.Override, xattr.OverrideNames} {
		for _, path := range []string{dir, filepath.Join(dir, "f"), filepath.Join(dir, "d")} {
			if _, err := unix.Getxattr(path, name, nil); !errors.Is(err, unix.ENODATA) {
				t.Errorf("%s of %s is left: %v", name, path, err)
			}
		}
	}
	if err := Record(fd, "f", -1, 5, modes["f"]); !errors.Is(err, unix.EINVAL) {
		t.Errorf("who is nobody: %v", err)
	}
	if err := Record(fd, "missing", 5, 5, modes["f"]); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a file that is missing: %v", err)
	}
}

// TestRecordOfNames has more links than an attribute has room for: what is too much
// is lost, and what was noted stays.
func TestRecordOfNames(t *testing.T) {
	dir, fd := testutil.Noted(t)
	link := uint32(unix.S_IFLNK | 0o777)
	for i := range 4000 {
		if err := Record(fd, filepath.Base(dir)+"-a-long-name-"+string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676)), 5, 6, link); err != nil {
			t.Fatal(err)
		}
	}
	if u, g, ok := Noted(dir, filepath.Base(dir)+"-a-long-name-aaa", link); !ok || u != 5 || g != 6 {
		t.Errorf("the first: %d:%d %v", u, g, ok)
	}
	if _, _, ok := Noted(dir, "other", link); ok {
		t.Error("a name that is not there")
	}
	if err := unix.Setxattr(dir, xattr.OverrideNames, []byte("nonsense\x00 \x0055"), 0); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := Noted(dir, "", link); ok {
		t.Error("nonsense was read")
	}
}
