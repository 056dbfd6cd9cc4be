// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// errAsKernel leaves a call to the kernel: about a process that is root on paper
// as well, it says the same. No call that is left to it has a pointer that
// matters (seccomp_unotify(2), CAVEATS).
var errAsKernel = errors.New("the kernel answers")

// call is one system call of a process.
type call struct {
	keeper *Keeper
	pid    int
	who    identity
	valid  func() bool
	proc   string // its directory in a procfs, once it is looked for
}

// do makes the call. changed says that the process is no longer who it was born.
func (c *call) do(nr int32, args [6]uint64, changed bool) (uint32, error) {
	if set, ok := setters[nr]; ok {
		val, err := set(&c.who, args)
		return val, c.note(err)
	}
	if g, ok := giftOf(nr, args); ok {
		return 0, c.chown(nr, g)
	}
	if nr == unix.SYS_SETGROUPS {
		return 0, c.note(c.setGroups(uint32(args[0]), uintptr(args[1])))
	}
	if nr == unix.SYS_PRCTL {
		c.who.keepCaps = keeps(args)
		return 0, errors.Join(c.note(nil), errAsKernel)
	}
	if !changed {
		return 0, errAsKernel
	}
	if get, ok := getters[nr]; ok {
		return get(&c.who), nil
	}
	switch nr {
	case unix.SYS_GETRESUID:
		return 0, c.writeIDs(c.who.uid, args)
	case unix.SYS_GETRESGID:
		return 0, c.writeIDs(c.who.gid, args)
	case unix.SYS_GETGROUPS:
		return c.getGroups(int32(args[0]), uintptr(args[1]))
	}
	return 0, unix.ENOSYS
}

// leftToKernel reports whether a call of i386 is one of GetCalls, or prctl.
func leftToKernel(nr int32) bool {
	return slices.Contains([]int32{24, 47, 49, 50, 80, 165, 171, 172}, nr)
}

// note keeps the process's new identity.
func (c *call) note(err error) error {
	if err == nil && c.valid() {
		c.keeper.give(c.pid, c.who)
	}
	return err
}

func (c *call) setGroups(n uint32, list uintptr) error {
	switch {
	case !c.who.privileged():
		return unix.EPERM
	case n > maxGroups:
		return unix.EINVAL
	}
	mem := make([]byte, 4*n)
	if n > 0 {
		if got, err := unix.ProcessVMReadv(c.pid, local(mem), remote(list, len(mem)), 0); err != nil || got != len(mem) {
			return unix.EFAULT
		}
	}
	c.who.groups = string(mem)
	return nil
}

// getGroups is getgroups(2): the number of groups, and the groups where there is
// room for them.
func (c *call) getGroups(room int32, list uintptr) (uint32, error) {
	n := len(c.who.groups) / 4
	switch {
	case room < 0, room > 0 && int(room) < n:
		return 0, unix.EINVAL
	case room == 0 || n == 0:
		return uint32(n), nil
	}
	return uint32(n), c.write(list, []byte(c.who.groups))
}

func (c *call) writeIDs(t triple, args [6]uint64) error {
	for i, id := range []uint32{t.real, t.effective, t.saved} {
		if err := c.write(uintptr(args[i]), le32(id)); err != nil {
			return err
		}
	}
	return nil
}

// write puts bytes where a process asked for them.
func (c *call) write(at uintptr, b []byte) error {
	if !c.valid() {
		return unix.EINTR
	}
	if n, err := unix.ProcessVMWritev(c.pid, local(b), remote(at, len(b)), 0); err != nil || n != len(b) {
		return unix.EFAULT
	}
	return nil
}

func local(b []byte) []unix.Iovec {
	v := unix.Iovec{Base: &b[0]}
	v.SetLen(len(b))
	return []unix.Iovec{v}
}

func remote(at uintptr, n int) []unix.RemoteIovec { return []unix.RemoteIovec{{Base: at, Len: n}} }
