// SPDX-License-Identifier: Apache-2.0

package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
	"coracle/pkg/ids"
)

// Dirs names the two directories everything lives under. Root survives a
// reboot; Run need not. Both are absolute, owned by the caller and mode 0700.
type Dirs struct {
	Root string `json:"root"`
	Run  string `json:"run"`
	// Homeless is why Root is not where it belongs but in the system's temporary
	// space; nil where it is.
	Homeless error `json:"-"`
}

// Open finds and creates the directories. root overrides $CORACLE_ROOT, which
// overrides $XDG_DATA_HOME/coracle, which overrides ~/.local/share/coracle; where
// none of the first two is there, and the others cannot be had, it is below the run
// directory's place in the system's temporary space.
// With $CORACLE_ROOT_LOCAL it is on a disk of this machine where any of them is not.
// Run-time files go below $XDG_RUNTIME_DIR when that is ours and 0700, else
// below a directory in the system's temporary space which is created 0700 and
// refused when it belongs to someone else.
func Open(root string) (Dirs, error) {
	d, err := openRoot(root)
	if err != nil {
		return Dirs{}, err
	}
	if d.Run, err = runDir(d.Root); err != nil {
		return Dirs{}, err
	}
	for _, dir := range []string{
		d.Containers(), d.Names(), d.Volumes(), d.Networks(), d.Projects(), d.BuildCache(), d.CacheMounts(), string(d.Tmp()), d.Images(), d.BlobInfo(),
		filepath.Join(d.Run, "containers"),
	} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return Dirs{}, Explain(fmt.Errorf("create state directory: %w", err))
		}
	}
	return d, nil
}

func openRoot(flag string) (d Dirs, err error) {
	d, err = usualRoot(flag)
	if !localWanted() || err != nil && !homeless(err) {
		return d, err
	}
	if err == nil {
		err = notLocal(d.Root, unix.Statfs, unix.Getxattr)
	}
	if err == nil {
		return d, nil
	}
	return localRoot(err)
}

func usualRoot(flag string) (d Dirs, err error) {
	for _, c := range []string{flag, os.Getenv("CORACLE_ROOT")} {
		if c != "" {
			if d.Root, err = filepath.Abs(c); err == nil {
				err = makeRoot(d.Root)
			}
			return d, err
		}
	}
	if d.Root, err = rootAtHome(); err == nil {
		err = makeRoot(d.Root)
	}
	if err == nil || !homeless(err) {
		return d, err
	}
	for _, dir := range []string{tempBase(os.TempDir()), filepath.Join(tempBase(os.TempDir()), "store")} {
		if makeOnePrivate(dir) != nil {
			return d, err
		}
		d.Root = dir
	}
	d.Homeless = err
	return d, nil
}

// homeless reports whether err, of making the root at home, says that there is no home, or
// that it is closed, read-only or no directory, as jobs of a CI have it.
func homeless(err error) bool {
	for _, e := range []error{errNoHome, unix.EACCES, unix.EPERM, unix.EROFS, unix.ENOTDIR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func tempBase(tmp string) string { return filepath.Join(tmp, "coracle-"+strconv.Itoa(ids.HostUID())) }

func rootAtHome() (string, error) {
	if x := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(x) && !foreign(x) {
		return filepath.Join(x, "coracle"), nil
	}
	home, err := Home()
	if err != nil {
		return "", hint.About(hint.Store, fmt.Errorf("find root: %w", err), rootHint)
	}
	return filepath.Join(home, ".local", "share", "coracle"), nil
}

// runDir returns the run-time directory of this root. Two roots of one user
// never share it: its name carries the root's inode.
func runDir(root string) (string, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(root, &st); err != nil {
		return "", &os.PathError{Op: "stat", Path: root, Err: err}
	}
	name := strconv.FormatUint(st.Dev, 36) + "-" + strconv.FormatUint(st.Ino, 36)
	return runBelow(os.TempDir(), name)
}

func runBelow(tmp, name string) (string, error) {
	if x := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(x) && private(x) == nil {
		return makePrivate(filepath.Join(x, "coracle"), name)
	}
	return makePrivate(tempBase(tmp), name)
}

// OCI is the state directory of coracle oci. It depends on nothing but
// $XDG_RUNTIME_DIR and the user: engines call a runtime with that variable and
// no other.
func OCI() (string, error) { return runBelow("/tmp", "oci") }

func makePrivate(base, name string) (string, error) {
	for _, dir := range []string{base, filepath.Join(base, name)} {
		if err := makeOnePrivate(dir); err != nil {
			return "", err
		}
	}
	return filepath.Join(base, name), nil
}

func makeOnePrivate(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return hint.About(hint.RunDirectory, fmt.Errorf("create run directory: %w", err), noRunDirectory(err))
	}
	openToOwner(dir)
	return private(dir)
}
