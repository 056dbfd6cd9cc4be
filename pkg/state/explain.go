// SPDX-License-Identifier: Apache-2.0

package state

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
)

// Explain says of an error with a file of the store what about its file system is
// to blame, and where another one is looked for. Other errors stay as they are.
func Explain(err error) error {
	const elsewhere = "a directory on a local disk of this machine: --root, or CORACLE_ROOT"
	switch {
	case err == nil || hint.Of(err) != "":
		return err
	case errors.Is(err, unix.EROFS):
		return hint.About(hint.Store, err, "the store is on a file system that is read-only; use "+elsewhere)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return hint.About(hint.Store, err, "free some space, or move the store with --root or CORACLE_ROOT")
	case errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ESTALE):
		return hint.About(hint.Locks, err, "the store's file system has no locks, as NFS without its lock service; use "+elsewhere)
	case errors.Is(err, unix.EOPNOTSUPP):
		return hint.About(hint.UserAttributes, err, "the store's file system has no extended attributes of users, as NFS; use "+elsewhere)
	}
	return err
}

// noLocks is Explain of what flock(2) has said: a file system without it has more
// than one word for that.
func noLocks(err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		err = fmt.Errorf("%w: %w", err, unix.ENOLCK)
	}
	return Explain(err)
}

// OfProcess reports whether an error with a file is about the process that had it, one
// with too few descriptors or too little memory, and says nothing about the file.
func OfProcess(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}
