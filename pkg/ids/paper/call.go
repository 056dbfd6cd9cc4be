// SPDX-License-Identifier: Apache-2.0

package paper

import (
	"errors"

	"golang.org/x/sys/unix"
)

// errAsKernel leaves a call to the kernel: about who is root on paper as well, and
// files that nobody is noted for, it says the same. Who changes what a pointer
// points to before the kernel looks gets what the kernel says of that
// (seccomp_unotify(2), CAVEATS): a process that is not listened to at all.
var errAsKernel = errors.New("the kernel answers")

// call is one system call of a process. Its receiver uses it again for the next.
type call struct {
	keeper *Keeper
	pid    int
	who    identity
	known  bool // the process is no longer who it was born: see is
	// valid reports whether the process still waits for the call: what was read from
	// its memory or looked up by its number means nothing otherwise.
	valid func() bool
	proc  place  // its directory in a procfs, once it is looked for
	path  []byte // room for one
}

// is looks up who the process is.
func (c *call) is() *identity {
	if !c.known {
		c.who, c.known = c.keeper.of(c.pid)
	}
	return &c.who
}

// set changes who the process is.
func (c *call) set(change func(i *identity) error) error {
	err := change(c.is())
	if err == nil && c.valid() {
		c.keeper.give(c.pid, c.who)
	}
	return err
}

func setuid(c *call, a args) (uint32, error) {
	return 0, c.set(func(i *identity) error {
		return i.changeUID(func(t *triple, p bool) error { return t.set(p, uint32(a[0])) })
	})
}

func setgid(c *call, a args) (uint32, error) {
	return 0, c.set(func(i *identity) error { return i.gid.set(i.privileged(), uint32(a[0])) })
}

func setreuid(c *call, a args) (uint32, error) {
	return 0, c.set(func(i *identity) error {
		return i.changeUID(func(t *triple, p bool) error { return t.setRe(p, uint32(a[0]), uint32(a[1])) })
	})
}

func setregid(c *call, a args) (uint32, error) {
	return 0, c.set(func(i *identity) error { return i.gid.setRe(i.privileged(), uint32(a[0]), uint32(a[1])) })
}

func setresuid(c *call, a args) (uint32, error) {
	return 0, c.set(func(i *identity) error {
		return i.changeUID(func(t *triple, p bool) error { return t.setRes(p, uint32(a[0]), uint32(a[1]), uint32(a[2])) })
	})
}

func setresgid(c *call, a args) (uint32, error) {
	return 0, c.set(func(i *identity) error {
		return i.gid.setRes(i.privileged(), uint32(a[0]), uint32(a[1]), uint32(a[2]))
	})
}

func setfsuid(c *call, a args) (was uint32, err error) {
	err = c.set(func(i *identity) error { was = i.uid.setFS(i.privileged(), uint32(a[0])); return nil })
	return was, err
}

func setfsgid(c *call, a args) (was uint32, err error) {
	err = c.set(func(i *identity) error { was = i.gid.setFS(i.privileged(), uint32(a[0])); return nil })
	return was, err
}

func prctl(c *call, a args) (uint32, error) {
	_ = c.set(func(i *identity) error { i.keepCaps = keeps(a); return nil })
	return 0, errAsKernel
}

func setgroups(c *call, a args) (uint32, error) {
	return 0, c.set(func(i *identity) error {
		mem, err := c.groups(i, uint32(a[0]), uintptr(a[1]), 4)
		if err == nil {
			i.groups = string(mem)
		}
		return err
	})
}

// setgroups16 is that of i386 with ids of 16 bits.
func setgroups16(c *call, a args) (uint32, error) {
	return 0, c.set(func(i *identity) error {
		mem, err := c.groups(i, uint32(a[0]), uintptr(a[1]), 2)
		var list []uint32
		for at := 0; at < len(mem); at += 2 {
			list = append(list, uint32(widen(uint64(mem[at])|uint64(mem[at+1])<<8)))
		}
		if err == nil {
			i.groups = string(le32(list...))
		}
		return err
	})
}

// groups reads the list of setgroups(2).
func (c *call) groups(i *identity, n uint32, list uintptr, size int) ([]byte, error) {
	switch {
	case !i.privileged():
		return nil, unix.EPERM
	case n > maxGroups:
		return nil, unix.EINVAL
	case n == 0:
		return nil, nil
	}
	mem := make([]byte, size*int(n))
	if c.read(list, mem) != nil {
		return nil, unix.EFAULT
	}
	return mem, nil
}

// ask answers a call about who the process is, if it is no longer who it was born:
// of the others the kernel knows.
func (c *call) ask(tell func(i *identity) (uint32, error)) (uint32, error) {
	if i := c.is(); c.known {
		return tell(i)
	}
	return 0, errAsKernel
}

func getter(id func(i *identity) uint32) handler {
	return func(c *call, _ args) (uint32, error) {
		return c.ask(func(i *identity) (uint32, error) { return id(i), nil })
	}
}

func getter16(id func(i *identity) uint32) handler {
	return getter(func(i *identity) uint32 { return uint32(narrowed(id(i))) })
}

func getresuid(c *call, a args) (uint32, error) {
	return c.ask(func(i *identity) (uint32, error) { return 0, c.writeIDs(i.uid, a, le32) })
}

func getresgid(c *call, a args) (uint32, error) {
	return c.ask(func(i *identity) (uint32, error) { return 0, c.writeIDs(i.gid, a, le32) })
}

func getresuid16(c *call, a args) (uint32, error) {
	return c.ask(func(i *identity) (uint32, error) { return 0, c.writeIDs(i.uid, a, le16) })
}

func getresgid16(c *call, a args) (uint32, error) {
	return c.ask(func(i *identity) (uint32, error) { return 0, c.writeIDs(i.gid, a, le16) })
}

func (c *call) writeIDs(t triple, a args, form func(...uint32) []byte) error {
	for i, id := range []uint32{t.real, t.effective, t.saved} {
		if err := c.write(uintptr(a[i]), form(id)); err != nil {
			return err
		}
	}
	return nil
}

func getgroups(c *call, a args) (uint32, error) { return c.getGroups(a, le32) }

func getgroups16(c *call, a args) (uint32, error) { return c.getGroups(a, le16) }

// getGroups is getgroups(2): the number of groups, and the groups where there is
// room for them.
func (c *call) getGroups(a args, form func(...uint32) []byte) (uint32, error) {
	return c.ask(func(i *identity) (uint32, error) {
		room, list := int32(a[0]), i.groupList()
		switch {
		case room < 0, room > 0 && int(room) < len(list):
			return 0, unix.EINVAL
		case room == 0 || len(list) == 0:
			return uint32(len(list)), nil
		}
		return uint32(len(list)), c.write(uintptr(a[1]), form(list...))
	})
}
