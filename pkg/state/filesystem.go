// SPDX-License-Identifier: Apache-2.0

package state

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// FileSystem is the name of what statfs(2) has a number for.
func FileSystem(magic int64) string {
	for name, m := range map[string]int64{
		"ext4": unix.EXT4_SUPER_MAGIC, "xfs": unix.XFS_SUPER_MAGIC, "btrfs": unix.BTRFS_SUPER_MAGIC, "tmpfs": unix.TMPFS_MAGIC, "overlayfs": unix.OVERLAYFS_SUPER_MAGIC,
		"f2fs": unix.F2FS_SUPER_MAGIC, "nfs": unix.NFS_SUPER_MAGIC, "fuse": unix.FUSE_SUPER_MAGIC, "zfs": 0x2fc12fc1, "ecryptfs": unix.ECRYPTFS_SUPER_MAGIC, "cifs": unix.CIFS_SUPER_MAGIC, "smb2": unix.SMB2_SUPER_MAGIC,
		"ceph": unix.CEPH_SUPER_MAGIC, "afs": unix.AFS_SUPER_MAGIC, "v9fs": unix.V9FS_MAGIC, "lustre": 0x0bd00bd0, "gpfs": 0x47504653, "bcachefs": 0xca451a4e, "ramfs": unix.RAMFS_MAGIC,
	} {
		if m == magic {
			return name
		}
	}
	return fmt.Sprintf("file system %#x", magic)
}

// HoldsLayers says why the file system of the root can hold no layers: without
// extended attributes of users nothing marks what a layer removes (xattr(7)). It
// writes nothing.
func (d Dirs) HoldsLayers() error { return holdsLayers(d.Root, unix.Statfs, unix.Getxattr) }

func holdsLayers(dir string, statfs func(string, *unix.Statfs_t) error, getxattr func(string, string, []byte) (int, error)) error {
	if _, err := getxattr(dir, "user.overlay.opaque", nil); !errors.Is(err, unix.EOPNOTSUPP) {
		return nil // what else may be wrong there shows where it matters
	}
	var st unix.Statfs_t
	if err := statfs(dir, &st); err != nil {
		return &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return Explain(fmt.Errorf("%s is on %s: extended attributes of users: %w", dir, FileSystem(int64(st.Type)), unix.EOPNOTSUPP))
}
