// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
)

func TestChownOfALinkLeavesWhatItLeadsTo(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/etc/passwd", link); err != nil {
		t.Fatal(err)
	}
	if err := Chown(unix.AT_FDCWD, link, os.Getuid(), os.Getgid()); err != nil {
		t.Errorf("its owner's own: %v", err)
	}
	if err := os.Symlink("/not/there", filepath.Join(dir, "none")); err != nil {
		t.Fatal(err)
	}
	if err := Chown(unix.AT_FDCWD, filepath.Join(dir, "none"), os.Getuid(), os.Getgid()); err != nil {
		t.Errorf("a link to nothing: %v", err)
	}
}

// TestOwnersWhoAreNone: -1 means "no change" to the kernel, and of a larger number
// it sees the lower half alone: 1<<32 would be root.
func TestOwnersWhoAreNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, id := range []int{-1, 1<<32 - 1, 1 << 32, 1<<32 + 5} {
		err := Chown(unix.AT_FDCWD, file, id, 0)
		var foreign *ForeignError
		switch {
		case Single() && err != nil:
			t.Errorf("%d, where nobody else is: %v", id, err)
		case !Single() && (!errors.As(err, &foreign) || foreign.UID != id || !errors.Is(err, unix.EINVAL) || hint.Of(err) == ""):
			t.Errorf("%d: %v", id, err)
		}
	}
}
