// SPDX-License-Identifier: Apache-2.0

package state

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
	"coracle/pkg/ids"
)

// LocalVariable asks, by a true value, for a store on a disk of this machine where the
// usual place is on a network's file system, or on another that holds no layers. What
// is in it is not on the other machines.
const LocalVariable = "CORACLE_ROOT_LOCAL"

func localWanted() bool {
	wanted, err := strconv.ParseBool(os.Getenv(LocalVariable))
	return err == nil && wanted
}

// networks are the file systems that a server has.
var networks = []string{"nfs", "cifs", "smb2", "ceph", "afs", "v9fs", "lustre", "gpfs", "fuse"}

// notLocal says why a directory is no place for a store of this machine alone.
func notLocal(dir string, statfs func(string, *unix.Statfs_t) error, getxattr func(string, string, []byte) (int, error)) error {
	var st unix.Statfs_t
	if err := statfs(dir, &st); err != nil {
		return &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	kind := FileSystem(int64(st.Type))
	switch {
	case slices.Contains(networks, kind):
		return fmt.Errorf("%s is on %s", dir, kind)
	case st.Flags&unix.ST_RDONLY != 0:
		return fmt.Errorf("%s is on %s, read-only", dir, kind)
	}
	return holdsLayers(dir, statfs, getxattr)
}

// localPlaces are where a machine has room of its own, the best first.
func localPlaces() []string { return []string{os.TempDir(), "/scratch", "/var/tmp", "/tmp"} }

// localRoot makes a store in the first of these places that has room for one, for the
// caller alone. why is what is wrong with the usual place.
func localRoot(why error) (d Dirs, err error) {
	refused := hint.About(hint.Store, fmt.Errorf("find a local disk for the store: %w", why), "TMPDIR is the directory that is looked at first, before /scratch, /var/tmp and /tmp")
	for _, place := range localPlaces() {
		if notLocal(place, unix.Statfs, unix.Getxattr) != nil {
			continue
		}
		base := filepath.Join(place, "coracle-"+strconv.Itoa(ids.HostUID()))
		root := filepath.Join(base, "store")
		if makeOnePrivate(base) == nil && makeOnePrivate(root) == nil {
			return Dirs{Root: root, Homeless: why}, nil
		}
	}
	return d, refused
}
