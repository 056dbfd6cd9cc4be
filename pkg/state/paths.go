// SPDX-License-Identifier: Apache-2.0

package state

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"coracle/pkg/hint"
	"coracle/pkg/ids"
)

// Dirs names the two directories everything lives under. Root survives a
// reboot; Run need not. Both are absolute, owned by the caller and mode 0700.
type Dirs struct {
	Root string `json:"root"`
	Run  string `json:"run"`
}

// Open finds and creates the directories. root overrides $CORACLE_ROOT, which
// overrides $XDG_DATA_HOME/coracle, which overrides ~/.local/share/coracle.
// Run-time files go below $XDG_RUNTIME_DIR when that is ours and 0700, else
// below a directory in the system's temporary space which is created 0700 and
// refused when it belongs to someone else.
func Open(root string) (Dirs, error) {
	root, err := rootDir(root)
	if err != nil {
		return Dirs{}, err
	}
	d := Dirs{Root: root}
	if err := makeRoot(root); err != nil {
		return Dirs{}, err
	}
	if d.Run, err = runDir(root); err != nil {
		return Dirs{}, err
	}
	for _, dir := range []string{
		d.Containers(), d.Names(), d.Volumes(), d.Networks(), d.BuildCache(), d.CacheMounts(), string(d.Tmp()), d.Images(), d.BlobInfo(),
		filepath.Join(d.Run, "containers"),
	} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return Dirs{}, Explain(fmt.Errorf("create state directory: %w", err))
		}
	}
	return d, nil
}

func rootDir(flag string) (string, error) {
	for _, c := range []string{flag, os.Getenv("CORACLE_ROOT")} {
		if c != "" {
			return filepath.Abs(c)
		}
	}
	if x := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(x) && !foreign(x) {
		return filepath.Join(x, "coracle"), nil
	}
	home, err := Home()
	if err != nil {
		return "", hint.With(fmt.Errorf("find root: %w", err), rootHint)
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
	return makePrivate(filepath.Join(tmp, "coracle-"+strconv.Itoa(ids.HostUID())), name)
}

// OCI is the state directory of coracle oci. It depends on nothing but
// $XDG_RUNTIME_DIR and the user: engines call a runtime with that variable and
// no other.
func OCI() (string, error) { return runBelow("/tmp", "oci") }

func makePrivate(base, name string) (string, error) {
	for _, dir := range []string{base, filepath.Join(base, name)} {
		if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
			return "", hint.With(fmt.Errorf("create run directory: %w", err), runHint)
		}
		openToOwner(dir)
		if err := private(dir); err != nil {
			return "", err
		}
	}
	return filepath.Join(base, name), nil
}
