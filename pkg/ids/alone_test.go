// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/pkg/xattr"
)

// A noted mode counts as long as the file has the one that it was noted for.
func TestMode(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(file, xattr.OverrideMode, []byte("600:4000"), 0); err != nil {
		t.Skip(err)
	}
	for note, want := range map[string]uint32{
		"600:0": 0o100000, "600:4555": 0o104555, "700:555": 0o100600, // it was changed since
		"": 0o100600, "600": 0o100600, "600:": 0o100600, "600:x": 0o100600, "600:77777": 0o100600, "600:-1": 0o100600, "999:1": 0o100600,
		"600:00000000000000000000000000000000000000": 0o100600,
	} {
		if err := unix.Setxattr(file, xattr.OverrideMode, []byte(note), 0); err != nil {
			t.Fatal(err)
		}
		if got := Mode(file, 0o100600); got != want {
			t.Errorf("%q: %o, want %o", note, got, want)
		}
	}
	if err := unix.Removexattr(file, xattr.OverrideMode); err != nil {
		t.Fatal(err)
	}
	if got := Mode(file, 0o100640); got != 0o100640 {
		t.Errorf("without a note: %o", got)
	}
}

// Who is not alone has the mode on the disk, and no note.
func TestChmod(t *testing.T) {
	dir := t.TempDir()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Chmod(int(d.Fd()), "f", unix.S_IFREG|0o2005); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil || st.Mode != unix.S_IFREG|0o2005 {
		t.Errorf("%o, %v", st.Mode, err)
	}
	fd, err := unix.Open(file, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := Chmod(fd, "", unix.S_IFREG|0o640); err != nil {
		t.Fatal(err)
	}
	if err := unix.Stat(file, &st); err != nil || st.Mode != unix.S_IFREG|0o640 {
		t.Errorf("by descriptor: %o, %v", st.Mode, err)
	}
	if n, err := unix.Getxattr(file, xattr.OverrideMode, nil); err == nil {
		t.Errorf("a note of %d bytes", n)
	}
	if err := Chmod(int(d.Fd()), "missing", unix.S_IFREG|0o600); err != unix.ENOENT {
		t.Errorf("missing: %v", err)
	}
}
