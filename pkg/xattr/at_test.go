// SPDX-License-Identifier: Apache-2.0

package xattr

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAt reads and writes an attribute by descriptors, one of them opened with O_PATH.
func TestAt(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	if err := errors.Join(os.WriteFile(name, nil, 0o644), os.Symlink("f", filepath.Join(dir, "l"))); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(name, "user.test", []byte("x"), 0); errors.Is(err, unix.ENOTSUP) {
		t.Skip("the file system has no attributes of users")
	}
	open := func(path string) int {
		t.Helper()
		fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	d, f := open(dir), open(name)
	if err := SetFD(f, "user.test", []byte("set")); err != nil {
		t.Error(err)
	}
	buf := make([]byte, 8)
	read := func(what string, want string, wantErr error, get func() (int, error)) {
		t.Helper()
		if n, err := get(); !errors.Is(err, wantErr) || string(buf[:max(n, 0)]) != want {
			t.Errorf("%s: %q, %v", what, buf[:max(n, 0)], err)
		}
	}
	read("open", "set", nil, func() (int, error) { return GetFD(f, "user.test", buf) })
	read("name", "set", nil, func() (int, error) { return GetAt(d, "f", unix.AT_SYMLINK_NOFOLLOW, "user.test", buf) })
	read("link", "set", nil, func() (int, error) { return GetAt(d, "l", 0, "user.test", buf) })
	read("link itself", "", unix.ENODATA, func() (int, error) { return GetAt(d, "l", unix.AT_SYMLINK_NOFOLLOW, "user.test", buf) })
	read("path", "set", nil, func() (int, error) { return GetAt(unix.AT_FDCWD, name, 0, "user.test", buf) })
	read("none", "", unix.ENODATA, func() (int, error) { return GetFD(f, "user.none", buf) })
	read("missing", "", unix.ENOENT, func() (int, error) { return GetAt(d, "missing", 0, "user.test", buf) })
	read("too long", "", unix.ERANGE, func() (int, error) { return GetAt(d, "f", 0, "user.test", buf[:1]) })
}
