// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
	"coracle/pkg/overlay/plain"
	"coracle/pkg/state"
)

// Where the kernel gives no overlayfs on the store's file system, a root file
// system is a tree of its own: a copy of the image's layers in one tree, which is
// made once and kept beside the topmost of them. What was written becomes the upper
// layer by comparing, see Settle. The tree stays: an image's files are not copied
// twice for one container.

// In a work directory, and in that of a layer.
const (
	treeName   = "tree"   // what a container writes to
	copiedName = "copied" // its time is when the copy was done
	flatName   = "flat"   // the files of a layer and of all below it
)

// refused reports whether err, of mounting an overlay, is the kernel's word that it
// has none for this file system or this process.
func refused(err error) bool {
	for _, e := range []error{unix.EPERM, unix.EACCES, unix.EINVAL, unix.EOPNOTSUPP, unix.ENODEV, unix.ENOSYS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// mountTree is MountRootfs without overlayfs.
func mountTree(ctx context.Context, r Rootfs) error {
	base, err := flat(ctx, r.Lowers)
	if err != nil {
		return err
	}
	if r.Upper == "" {
		return showTree(base, r.Target, true)
	}
	tree := filepath.Join(r.Work, treeName)
	if _, err := os.Lstat(filepath.Join(r.Work, copiedName)); errors.Is(err, fs.ErrNotExist) {
		if err := copyTree(ctx, base, r, tree); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	return showTree(tree, r.Target, false)
}

// copyTree makes the tree that is written to.
func copyTree(ctx context.Context, base string, r Rootfs, tree string) error {
	if err := errors.Join(os.RemoveAll(tree), os.Mkdir(tree, 0o755)); err != nil {
		return err
	}
	like := plain.Copy
	if r.Replaces {
		like = plain.Link
	}
	if err := like(ctx, base, tree); err != nil {
		return err
	}
	upper, err := os.ReadDir(r.Upper)
	if err == nil {
		err = plain.Apply(ctx, r.Upper, tree) // the root is the upper layer's in any case
	}
	stamp := filepath.Join(r.Work, copiedName)
	if err = errors.Join(err, os.WriteFile(stamp, nil, 0o600)); err == nil && len(upper) > 0 { // it was an overlay's
		err = os.Chtimes(stamp, time.Unix(0, 0), time.Unix(0, 0))
	}
	return err
}

// flat is the tree of the files of layers, topmost first. Who comes second waits
// for the first.
func flat(ctx context.Context, layers []string) (string, error) {
	if len(layers) == 1 {
		return layers[0], nil
	}
	place := filepath.Dir(layers[0])
	done := filepath.Join(place, flatName)
	lock, err := lockPlace(place)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if _, err := os.Lstat(done); err == nil {
		return done, nil
	}
	part := done + ".part"
	err = errors.Join(os.RemoveAll(part), os.Mkdir(part, 0o755))
	if err == nil {
		if err = plain.Flatten(ctx, layers, part); err != nil {
			return "", errors.Join(err, os.RemoveAll(part))
		}
	}
	if err != nil {
		return "", err
	}
	return done, os.Rename(part, done)
}

// lockPlace keeps others from what is done in a directory, until the file is closed.
func lockPlace(dir string) (*os.File, error) {
	if err := foreignPlace(dir); err != nil {
		return nil, err
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		f.Close()
		return nil, &os.PathError{Op: "lock", Path: dir, Err: err}
	}
	return f, nil
}

// foreignPlace keeps us from leaving anything beside a layer in a store of podman's.
func foreignPlace(dir string) error {
	graph := filepath.Dir(filepath.Dir(dir))
	_, theirs := os.Lstat(filepath.Join(graph, "overlay-images"))
	_, ours := os.Lstat(state.Dirs{Root: filepath.Dir(graph)}.BuildCache()) // there before the first image
	if theirs != nil || ours == nil {
		return nil
	}
	return hint.With(fmt.Errorf("the shared store %s is read-only", graph), "coracle tag IMAGE NAME takes the image over")
}

// showTree binds a tree, or, for a process that may not mount, puts a link to it in
// the place of the empty directory target. os.Remove takes that away, as it does the
// directory.
func showTree(source, target string, readOnly bool) error {
	err := bind(source, target, readOnly)
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(source, target)
}

// Unsettled reports whether there may be something for Settle to do.
func Unsettled(r Rootfs) bool {
	if r.Work == "" {
		return false
	}
	_, err := os.Lstat(filepath.Join(r.Work, copiedName))
	return !errors.Is(err, fs.ErrNotExist)
}

// Settle makes r's upper layer what has been written, where that is not overlayfs's
// business. It may be called while somebody writes, and costs nothing elsewhere.
//
// Preconditions: the process is uid 0 inside the user namespace.
func Settle(ctx context.Context, r Rootfs) error {
	if !Unsettled(r) {
		return nil
	}
	stamp, err := os.Lstat(filepath.Join(r.Work, copiedName))
	fail := func(err error) error { return explain(fmt.Errorf("compare with the image: %w", err)) }
	if err != nil {
		return fail(err)
	}
	lock, err := lockPlace(r.Work)
	if err != nil {
		return fail(err)
	}
	defer lock.Close()
	copied := stamp.ModTime()
	if copied.Equal(time.Unix(0, 0)) {
		copied = time.Time{}
	}
	base, err := flat(ctx, r.Lowers)
	if err != nil {
		return fail(err)
	}
	layer, old := filepath.Join(r.Work, "new"), filepath.Join(r.Work, "old")
	if err := errors.Join(os.RemoveAll(layer), os.RemoveAll(old), os.Mkdir(layer, 0o755)); err != nil {
		return fail(err)
	}
	if err := plain.Difference(ctx, base, filepath.Join(r.Work, treeName), layer, copied); err != nil {
		return fail(errors.Join(err, os.RemoveAll(layer)))
	}
	if err := errors.Join(os.Rename(r.Upper, old), os.Rename(layer, r.Upper), os.RemoveAll(old)); err != nil {
		return fail(err)
	}
	return nil
}
