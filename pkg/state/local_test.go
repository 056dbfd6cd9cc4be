// SPDX-License-Identifier: Apache-2.0

package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNotLocal(t *testing.T) {
	for _, c := range []struct {
		magic, flags int64
		xattr        error
		want         string
	}{
		{magic: unix.EXT4_SUPER_MAGIC},
		{magic: unix.TMPFS_MAGIC, xattr: unix.ENODATA},
		{magic: unix.NFS_SUPER_MAGIC, want: "/x is on nfs"},
		{magic: 0x0bd00bd0, xattr: unix.ENODATA, want: "/x is on lustre"},
		{magic: unix.XFS_SUPER_MAGIC, flags: unix.ST_RDONLY, want: "/x is on xfs, read-only"},
		{magic: unix.RAMFS_MAGIC, xattr: unix.EOPNOTSUPP, want: "extended attributes of users"},
	} {
		err := notLocal("/x", func(_ string, st *unix.Statfs_t) error {
			st.Type, st.Flags = c.magic, c.flags
			return nil
		}, func(string, string, []byte) (int, error) { return 0, c.xattr })
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%#x: %v, want %q", c.magic, err, c.want)
		}
	}
	if err := notLocal(filepath.Join(t.TempDir(), "none"), unix.Statfs, unix.Getxattr); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of no directory: %v", err)
	}
}

// TestLocalRoot has a place of the caller's, one that somebody has spoilt, and the word
// for it.
func TestLocalRoot(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	why := errors.New("the home is far away")
	d, err := localRoot(why)
	if err != nil || filepath.Dir(filepath.Dir(d.Root)) != tmp || !errors.Is(d.Homeless, why) {
		t.Fatalf("%+v, %v", d, err)
	}
	if st, err := os.Stat(d.Root); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st, err)
	}
	if err := os.Chmod(filepath.Dir(d.Root), 0o755); err != nil {
		t.Fatal(err)
	}
	if other, err := localRoot(why); err == nil && other.Root == d.Root {
		t.Error("others may enter it")
	}
	for v, want := range map[string]bool{"": false, "0": false, "no": false, "1": true, "true": true} {
		t.Setenv(LocalVariable, v)
		if got := localWanted(); got != want {
			t.Errorf("%q is %t", v, got)
		}
	}
	t.Setenv(LocalVariable, "1")
	root := filepath.Join(tmp, "mine")
	if d, err := openRoot(root); err != nil || d.Root != root || d.Homeless != nil {
		t.Errorf("of a local disk: %+v, %v", d, err)
	}
}
