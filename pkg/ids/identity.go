// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"slices"
	"syscall"

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

// setter is a system call that changes an identity: given its arguments, it
// returns what the call returns.
type setter func(i *identity, args [6]uint64) (uint32, error)

func ignoring(f func(i *identity, args [6]uint64) error) setter {
	return func(i *identity, args [6]uint64) (uint32, error) { return 0, f(i, args) }
}

// setters are those whose arguments are ids. setgroups(2) is not among them: its
// list is in the process's memory.
var setters = map[int32]setter{
	unix.SYS_SETUID: ignoring(func(i *identity, a [6]uint64) error {
		return i.changeUID(func(t *triple, p bool) error { return t.set(p, uint32(a[0])) })
	}),
	unix.SYS_SETGID: ignoring(func(i *identity, a [6]uint64) error { return i.gid.set(i.privileged(), uint32(a[0])) }),
	unix.SYS_SETREUID: ignoring(func(i *identity, a [6]uint64) error {
		return i.changeUID(func(t *triple, p bool) error { return t.setRe(p, uint32(a[0]), uint32(a[1])) })
	}),
	unix.SYS_SETREGID: ignoring(func(i *identity, a [6]uint64) error {
		return i.gid.setRe(i.privileged(), uint32(a[0]), uint32(a[1]))
	}),
	unix.SYS_SETRESUID: ignoring(func(i *identity, a [6]uint64) error {
		return i.changeUID(func(t *triple, p bool) error { return t.setRes(p, uint32(a[0]), uint32(a[1]), uint32(a[2])) })
	}),
	unix.SYS_SETRESGID: ignoring(func(i *identity, a [6]uint64) error {
		return i.gid.setRes(i.privileged(), uint32(a[0]), uint32(a[1]), uint32(a[2]))
	}),
	unix.SYS_SETFSUID: func(i *identity, a [6]uint64) (uint32, error) { return i.uid.setFS(i.privileged(), uint32(a[0])), nil },
	unix.SYS_SETFSGID: func(i *identity, a [6]uint64) (uint32, error) { return i.gid.setFS(i.privileged(), uint32(a[0])), nil },
}

// getters are the system calls that return an id.
var getters = map[int32]func(i *identity) uint32{
	unix.SYS_GETUID:  func(i *identity) uint32 { return i.uid.real },
	unix.SYS_GETEUID: func(i *identity) uint32 { return i.uid.effective },
	unix.SYS_GETGID:  func(i *identity) uint32 { return i.gid.real },
	unix.SYS_GETEGID: func(i *identity) uint32 { return i.gid.effective },
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

// KeepOptions are the options of prctl(2) that a Keeper wants to see: they say
// what becomes of capabilities when the user changes.
func KeepOptions() []uint64 { return []uint64{unix.PR_SET_KEEPCAPS, unix.PR_SET_SECUREBITS} }

// keeps reports whether a call of prctl(2) asks for capabilities to be kept.
func keeps(args [6]uint64) bool {
	if args[0] == unix.PR_SET_SECUREBITS {
		return args[1]&(1<<secbitKeepCaps) != 0
	}
	return args[1] != 0
}

// secbitKeepCaps is SECURE_KEEP_CAPS of linux/securebits.h.
const secbitKeepCaps = 4

// GetCalls: see SetCalls.
func GetCalls() []string {
	return []string{"getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups"}
}

// errnoOf is err as the kernel returns it.
func errnoOf(err error) int32 {
	if e, ok := err.(syscall.Errno); ok {
		return -int32(e)
	}
	return -int32(unix.EIO)
}

// le32 are ids as they stand in the memory of a process.
func le32(list ...uint32) []byte {
	var b []byte
	for _, id := range list {
		b = append(b, byte(id), byte(id>>8), byte(id>>16), byte(id>>24))
	}
	return slices.Clip(b)
}
