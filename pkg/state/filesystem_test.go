// SPDX-License-Identifier: Apache-2.0

package state

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
)

// A file system without attributes of users is named, with where to go instead; any
// other word of the kernel is none about that.
func TestHoldsLayers(t *testing.T) {
	on := func(magic int64) func(string, *unix.Statfs_t) error {
		return func(_ string, st *unix.Statfs_t) error { st.Type = magic; return nil }
	}
	says := func(errno error) func(string, string, []byte) (int, error) {
		return func(string, string, []byte) (int, error) { return 0, errno }
	}
	for _, errno := range []error{nil, unix.ENODATA, unix.EACCES, unix.ENOENT} {
		if err := holdsLayers("/x", on(unix.NFS_SUPER_MAGIC), says(errno)); err != nil {
			t.Errorf("%v: %v", errno, err)
		}
	}
	for magic, name := range map[int64]string{unix.NFS_SUPER_MAGIC: "nfs", 0x47504653: "gpfs", 0x123: "file system 0x123"} {
		err := holdsLayers("/x", on(magic), says(unix.EOPNOTSUPP))
		if err == nil || err.Error() != "/x is on "+name+": extended attributes of users: operation not supported" || !strings.Contains(hint.Of(err), "local disk of this machine: --root") {
			t.Errorf("%v, hint %s", err, hint.Of(err))
		}
	}
	if err := (Dirs{Root: t.TempDir()}).HoldsLayers(); err != nil {
		t.Errorf("where the tests are: %v", err)
	}
}
