// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
)

// Single reports whether the user namespace of this process has a single id, so
// that owners can only be noted: to the kernel everything belongs to root. It is read once, when
// it is first asked for: a process that still has to join its namespace must not
// ask before.
var Single = sync.OnceValue(func() bool {
	m, err := Current()
	return Alone() || err == nil && m.Single()
})

// ForeignError is an owner whom the user namespace does not have.
type ForeignError struct {
	UID, GID int
	Err      error
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("chown to %d:%d: %v", e.UID, e.GID, e.Err)
}

func (e *ForeignError) Unwrap() error { return e.Err }

// Hint says where ids come from.
func (e *ForeignError) Hint() string {
	return hint.SubordinateIDs.After("the user namespace has no such id; more of them come from /etc/subuid and /etc/subgid")
}

// Chown is fchownat(2) of base in the directory dir, or of the file dir itself
// without a base; of a link, and not of what it leads to. Where there is a single
// id, there is nobody else to give a file to: it is noted, see [Record].
func Chown(dir int, base string, uid, gid int) error {
	if Alone() {
		return recordAt(dir, base, uid, gid)
	}
	err := chownAt(dir, base, uid, gid)
	switch {
	case (err == nil || errors.Is(err, unix.EINVAL)) && Single():
		return recordAt(dir, base, uid, gid)
	case errors.Is(err, unix.EINVAL):
		return &ForeignError{uid, gid, err}
	}
	return err
}

func recordAt(dir int, base string, uid, gid int) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	if !isID(uid) || !isID(gid) {
		return nil
	}
	return Record(dir, base, uid, gid, st.Mode)
}

// chownAt refuses what the kernel would see the lower 32 bits of, and -1, which
// means "no change" to it.
func chownAt(dir int, base string, uid, gid int) error {
	if !isID(uid) || !isID(gid) {
		return unix.EINVAL
	}
	return unix.Fchownat(dir, base, uid, gid, unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH)
}

func isID(id int) bool { return id >= 0 && id <= 1<<32-2 }
