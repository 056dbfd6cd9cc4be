// SPDX-License-Identifier: Apache-2.0

package xattr

import (
	"archive/tar"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestKept(t *testing.T) {
	for name, want := range map[string]bool{
		"user.note": true, "security.capability": true, "security.selinux": false, "system.posix_acl_access": false,
		"trusted.overlay.opaque": false, "user.overlay.opaque": false, "user.containers.override_stat": false, "user": false,
	} {
		if Kept(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

func TestHeaders(t *testing.T) {
	h := &tar.Header{PAXRecords: map[string]string{"path": "x", "SCHILY.xattr.user.overlay.opaque": "y", "SCHILY.xattr.security.selinux": "z"}}
	if got := FromHeader(h); got != nil {
		t.Errorf("%v of one without any that is kept", got)
	}
	want := map[string]string{"user.a": "1", "security.capability": "\x00\xff"}
	ToHeader(h, want)
	if got := FromHeader(h); !maps.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	empty := &tar.Header{}
	if ToHeader(empty, nil); empty.PAXRecords != nil {
		t.Error("a header without attributes has records")
	}
}

// TestFiles writes and reads attributes by the file itself, by an O_PATH descriptor and
// by name.
func TestFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(path, "user.first", []byte("1"), 0); errors.Is(err, unix.ENOTSUP) {
		t.Skip("the file system has no attributes of users")
	} else if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	long := strings.Repeat("v", 2000) // beside long names more than the first look has room for
	set := map[string]string{"user.empty": "", "user.long": long, "user." + strings.Repeat("n", 200): "2", "nonsense": "x"}
	refused, err := WriteFile(f, set)
	if err != nil && !errors.Is(err, unix.ENOSPC) { // a file system may have little room
		t.Fatal(err)
	}
	if err == nil && !slices.Equal(refused, []string{"nonsense"}) {
		t.Errorf("refused %q", refused)
	}
	if err := os.Symlink(path, path+"-link"); err != nil {
		t.Fatal(err)
	}
	ofFile, err := ReadFile(f)
	if err != nil {
		t.Fatal(err)
	}
	byName, err := Read(path)
	if err != nil || !maps.Equal(ofFile, byName) || ofFile["user.first"] != "1" {
		t.Errorf("%q and %q, %v", ofFile, byName, err)
	}
	if got, err := Read(path + "-link"); err != nil || len(got) > 0 {
		t.Errorf("of a link: %q, %v", got, err)
	}
}
