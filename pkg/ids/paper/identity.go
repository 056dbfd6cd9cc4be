// SPDX-License-Identifier: Apache-2.0

package paper

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// same is what an argument of setresuid(2) and its kin is where nothing is to
// change.
const same = ^uint32(0)

// triple are the ids of one kind: users or groups.
type triple struct {
	real, effective, saved, fs uint32
}

// identity is who a process takes itself for. The zero identity is root's, with
// which every process begins.
type identity struct {
	uid, gid triple
	groups   string // supplementary ones, as they stand in memory: 4 bytes each

	keepCaps bool // PR_SET_KEEPCAPS, or SECBIT_KEEP_CAPS
	kept     bool // capabilities outlived the change from root to somebody else
}

// privileged reports whether CAP_SETUID and CAP_SETGID would be there: a change
// of the effective user from root takes them away, unless they were to be kept.
// That they end with the next execve(2), or by capset(2), is not seen here.
func (i *identity) privileged() bool { return i.uid.effective == 0 || i.kept }

// changeUID applies a change of users, and what it means for capabilities.
func (i *identity) changeUID(change func(t *triple, privileged bool) error) error {
	was := i.uid.has(0)
	if err := change(&i.uid, i.privileged()); err != nil {
		return err
	}
	if was && !i.uid.has(0) {
		i.kept = i.keepCaps
	}
	return nil
}

// has reports whether id is one that may be changed to without privilege.
func (t triple) has(id uint32) bool { return id == t.real || id == t.effective || id == t.saved }

// set is setuid(2) and setgid(2).
func (t *triple) set(privileged bool, id uint32) error {
	switch {
	case id == same:
		return unix.EINVAL
	case privileged:
		*t = triple{id, id, id, id}
	case id == t.real || id == t.saved:
		t.effective, t.fs = id, id
	default:
		return unix.EPERM
	}
	return nil
}

// setRes is setresuid(2) and setresgid(2).
func (t *triple) setRes(privileged bool, r, e, s uint32) error {
	for _, id := range []uint32{r, e, s} {
		if id != same && !privileged && !t.has(id) {
			return unix.EPERM
		}
	}
	replace(&t.real, r)
	replace(&t.effective, e)
	replace(&t.saved, s)
	t.fs = t.effective
	return nil
}

// setRe is setreuid(2) and setregid(2): the saved id follows when the real one
// is set, or the effective one to something else than the real one.
func (t *triple) setRe(privileged bool, r, e uint32) error {
	if !privileged && (r != same && r != t.real && r != t.effective || e != same && !t.has(e)) {
		return unix.EPERM
	}
	was := t.real
	replace(&t.real, r)
	replace(&t.effective, e)
	if r != same || e != same && e != was {
		t.saved = t.effective
	}
	t.fs = t.effective
	return nil
}

// setFS is setfsuid(2) and setfsgid(2), which return the id that was.
func (t *triple) setFS(privileged bool, id uint32) uint32 {
	was := t.fs
	if id != same && (privileged || t.has(id) || id == t.fs) {
		t.fs = id
	}
	return was
}

func replace(id *uint32, by uint32) {
	if by != same {
		*id = by
	}
}

// SetCalls and GetCalls are the names of the system calls that a Keeper answers,
// those of 32-bit programs with them.
func SetCalls() []string {
	return []string{
		"setuid", "setuid32", "setgid", "setgid32", "setreuid", "setreuid32", "setregid", "setregid32",
		"setresuid", "setresuid32", "setresgid", "setresgid32", "setfsuid", "setfsuid32", "setfsgid", "setfsgid32",
		"setgroups", "setgroups32",
	}
}

// GetCalls: see SetCalls.
func GetCalls() []string {
	return []string{
		"getuid", "getuid32", "geteuid", "geteuid32", "getgid", "getgid32", "getegid", "getegid32",
		"getresuid", "getresuid32", "getresgid", "getresgid32", "getgroups", "getgroups32",
	}
}

// KeepOptions are the options of prctl(2) that a Keeper wants to see: they say
// what becomes of capabilities when the user changes.
func KeepOptions() []uint64 { return []uint64{unix.PR_SET_KEEPCAPS, unix.PR_SET_SECUREBITS} }

// keeps reports whether a call of prctl(2) asks for capabilities to be kept.
func keeps(a args) bool {
	if a[0] == unix.PR_SET_SECUREBITS {
		return a[1]&(1<<secbitKeepCaps) != 0
	}
	return a[1] != 0
}

// secbitKeepCaps is SECURE_KEEP_CAPS of linux/securebits.h.
const secbitKeepCaps = 4

// le32 and le16 are ids as they stand in the memory of a process.
func le32(list ...uint32) []byte {
	b := make([]byte, 0, 4*len(list))
	for _, id := range list {
		b = binary.LittleEndian.AppendUint32(b, id)
	}
	return b
}

// le16: see le32.
func le16(list ...uint32) []byte {
	b := make([]byte, 0, 2*len(list))
	for _, id := range list {
		b = binary.LittleEndian.AppendUint16(b, narrowed(id))
	}
	return b
}

// groupList are the supplementary groups.
func (i *identity) groupList() []uint32 {
	list := make([]uint32, 0, len(i.groups)/4)
	for at := 0; at+4 <= len(i.groups); at += 4 {
		list = append(list, binary.LittleEndian.Uint32([]byte(i.groups[at:at+4])))
	}
	return list
}

func (i *identity) inGroup(gid uint32) bool { return slices.Contains(i.groupList(), gid) }
