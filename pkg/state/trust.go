// SPDX-License-Identifier: Apache-2.0

package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"coracle/pkg/hint"
	"coracle/pkg/ids"
)

// untrustedError is a directory that is not the caller's alone.
type untrustedError struct {
	what, dir, why, hint string
	row                  hint.Row
}

func (e *untrustedError) Error() string { return "use " + e.what + ": " + e.dir + " " + e.why }

// Hint is the remedy.
func (e *untrustedError) Hint() string { return e.row.After(e.hint) }

const (
	rootHint = "use a directory of yours: --root, or CORACLE_ROOT"
	runHint  = "set XDG_RUNTIME_DIR to a directory of yours with mode 0700"
)

// private reports whether dir is a directory (not a link) that only the
// caller can enter. Another user may have made it first: the temporary space
// is shared.
func private(dir string) error {
	bad := &untrustedError{what: "run directory", dir: dir, row: hint.RunDirectory, hint: runHint}
	var st syscall.Stat_t
	if err := syscall.Lstat(dir, &st); err != nil {
		return &os.PathError{Op: "lstat", Path: dir, Err: err}
	}
	switch {
	case st.Mode&syscall.S_IFMT != syscall.S_IFDIR:
		bad.why = "is not a directory"
	case int(st.Uid) != os.Geteuid():
		bad.why = notOurs(&st)
	case st.Mode&0o700 != 0o700:
		bad.why = fmt.Sprintf("has mode %04o, and you may not write to it", st.Mode&0o7777)
		bad.hint = "chmod 700 " + dir + ", or " + runHint
	case st.Mode&0o077 != 0:
		bad.why = fmt.Sprintf("has mode %04o, and others may enter it", st.Mode&0o7777)
		bad.hint = "chmod 700 " + dir + ", or " + runHint
	default:
		return nil
	}
	return bad
}

// noRunDirectory is the remedy where there is none in the temporary space, for err.
func noRunDirectory(err error) string {
	if none := ids.NoMap(); none != "" {
		return none
	}
	if tmp := os.Getenv("TMPDIR"); tmp != "" && errors.Is(err, fs.ErrNotExist) {
		return "TMPDIR is " + tmp + ", where nothing is: unset it, or " + runHint
	}
	return runHint
}

// openToOwner gives the caller what a umask has taken, or a chmod, from a directory of
// theirs that is closed to everybody else.
func openToOwner(dir string) {
	var st syscall.Stat_t
	if syscall.Lstat(dir, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFDIR && int(st.Uid) == os.Geteuid() && st.Mode&0o077 == 0 && st.Mode&0o700 != 0o700 {
		_ = os.Chmod(dir, 0o700) // private has the last word
	}
}

// notOurs names both users by the numbers that the host has for them: inside a
// user namespace the caller is 0, and strangers are nobody.
func notOurs(st *syscall.Stat_t) string {
	if ids.HostUID() != os.Geteuid() {
		return fmt.Sprintf("belongs to another user than uid %d", ids.HostUID())
	}
	return fmt.Sprintf("belongs to uid %d, not to uid %d", st.Uid, os.Geteuid())
}

// makeRoot makes the root directory, or makes sure that it is the caller's and
// nobody else may write there: who may can have any program run as the caller.
func makeRoot(root string) error {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return hint.About(hint.Store, fmt.Errorf("create root: %w", err), rootHint)
	}
	bad := &untrustedError{what: "root", dir: root, row: hint.Store, hint: rootHint}
	var st syscall.Stat_t
	if err := syscall.Stat(root, &st); err != nil {
		return &os.PathError{Op: "stat", Path: root, Err: err}
	}
	switch {
	case st.Mode&syscall.S_IFMT != syscall.S_IFDIR:
		bad.why = "is not a directory"
	case int(st.Uid) != os.Geteuid():
		bad.why = notOurs(&st)
	case st.Mode&0o022 == 0 || freshGroupDir(root, &st):
		return nil
	default:
		bad.why = fmt.Sprintf("has mode %04o, and others may write to it", st.Mode&0o7777)
		bad.hint = "if nobody else has: chmod go-w " + root
	}
	return bad
}

// freshGroupDir closes a directory that is empty still and only open to a group:
// what mkdir(1) makes with the umask of 002 that some hosts have.
func freshGroupDir(root string, st *syscall.Stat_t) bool {
	empty := func() bool {
		entries, err := os.ReadDir(root)
		return err == nil && len(entries) == 0
	}
	return st.Mode&0o002 == 0 && empty() && os.Chmod(root, os.FileMode(st.Mode&0o755)) == nil && empty()
}
