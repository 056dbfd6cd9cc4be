// SPDX-License-Identifier: Apache-2.0

package paper

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
)

// The kernel makes what a process creates, under its own rules. That somebody on
// paper has made it is noted as soon as it is there, and before anything is answered
// that could tell: a call of stat(2), one that renames it, the next one of its maker.

// MakeCalls are the names of the system calls that make files, those that move
// them, and those that open them and make them if flags say so. A Keeper wants to
// see them before the kernel makes them.
func MakeCalls() (always []string, opening map[string]uint) {
	return []string{
		"mkdir", "mkdirat", "mknod", "mknodat", "symlink", "symlinkat", "creat", "openat2",
		"rename", "renameat", "renameat2",
	}, map[string]uint{"open": 1, "openat": 2}
}

const (
	// maxAwaited bounds the directories that are kept open.
	maxAwaited = 64
	// awaitAtMost is how long something is waited for whose maker calls nothing else.
	awaitAtMost = 2 * time.Second
	// firstLook is how long the kernel usually takes to make a file.
	firstLook = 50 * time.Microsecond
)

// made is what is about to be made.
type made struct {
	some  atomic.Int32 // how many there are
	mu    sync.Mutex   // of what follows
	list  []awaited
	pause time.Duration // until the next look
}

// awaited is a file that was not there when its maker called.
type awaited struct {
	dir  int // O_PATH
	name string
	by   int // thread
	who  owner
	till time.Time
}

func open(c *call, a args) (uint32, error)      { return c.make(here, a[0]) }
func creat(c *call, a args) (uint32, error)     { return c.make(here, a[0]) }
func mkdir(c *call, a args) (uint32, error)     { return c.make(here, a[0]) }
func mknod(c *call, a args) (uint32, error)     { return c.make(here, a[0]) }
func symlink(c *call, a args) (uint32, error)   { return c.make(here, a[1]) }
func openat(c *call, a args) (uint32, error)    { return c.make(a[0], a[1]) }
func mkdirat(c *call, a args) (uint32, error)   { return c.make(a[0], a[1]) }
func mknodat(c *call, a args) (uint32, error)   { return c.make(a[0], a[1]) }
func symlinkat(c *call, a args) (uint32, error) { return c.make(a[1], a[2]) }

// openat2 has its flags in memory.
func openat2(c *call, a args) (uint32, error) {
	var flags [8]byte
	if c.read(uintptr(a[2]), flags[:]) != nil || binary.LittleEndian.Uint64(flags[:])&unix.O_CREAT == 0 {
		return 0, errAsKernel
	}
	return c.make(a[0], a[1])
}

// moves is a call that takes a file away from where it is looked for.
func moves(c *call, _ args) (uint32, error) {
	c.keeper.look(c.pid)
	return 0, errAsKernel
}

// make remembers a file that a process is about to make, if it is somebody on paper.
func (c *call) make(dir, at uint64) (uint32, error) {
	c.keeper.look(c.pid)
	i := c.is()
	if i.uid.fs == 0 && i.gid.fs == 0 {
		return 0, errAsKernel
	}
	name, err := c.text(uintptr(at))
	if err != nil {
		return 0, errAsKernel
	}
	parent, base, ok := file{dir: int32(dir), name: name}.parent()
	if !ok {
		return 0, errAsKernel
	}
	fd, err := c.open(parent)
	if err != nil {
		return 0, errAsKernel
	}
	who, missing := c.maker(fd, base)
	if !missing || !c.valid() {
		unix.Close(fd)
		return 0, errAsKernel
	}
	c.keeper.await(awaited{dir: fd, name: base, by: c.pid, who: who, till: time.Now().Add(awaitAtMost)})
	return 0, errAsKernel
}

// maker is who a file in a directory will belong to if the process makes it now, and
// whether it is missing. In a directory with the set-group-ID bit the group is the
// directory's (inode(7)).
func (c *call) maker(dir int, base string) (who owner, missing bool) {
	var st unix.Stat_t
	if unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW) != unix.ENOENT || unix.Fstatat(dir, "", &st, unix.AT_EMPTY_PATH) != nil {
		return who, false
	}
	who = owner{c.who.uid.fs, c.who.gid.fs}
	if st.Mode&unix.S_ISGID != 0 {
		_, gid := ids.RecordedFD(dir, st.Uid, st.Gid)
		who.gid = uint32(gid)
	}
	return who, true
}

func (k *Keeper) await(a awaited) {
	m := &k.made
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.list) == maxAwaited {
		unix.Close(m.list[0].dir)
		m.list = m.list[1:]
	}
	m.list = append(m.list, a)
	m.pause = firstLook
	m.some.Store(int32(len(m.list)))
}

// nextLook is when something may be there that is waited for; nil: nothing is.
func (k *Keeper) nextLook() *unix.Timespec {
	m := &k.made
	if m.some.Load() == 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := unix.NsecToTimespec(int64(m.pause))
	m.pause = min(2*m.pause, awaitAtMost/10)
	return &t
}

// Settle notes whose the files are that processes have made which have ended.
func (k *Keeper) Settle() { k.look(everybody) }

// everybody has returned from its call.
const everybody = -1

// look notes whose what is there by now is. by is a thread that has returned from its
// call: what it was about to make and has not, it has not made. 0: none is known to.
func (k *Keeper) look(by int) {
	m := &k.made
	if m.some.Load() == 0 {
		return
	}
	// Without the lock: a directory may be on a file system that waits for an answer.
	m.mu.Lock()
	list := m.list
	m.list = nil
	m.mu.Unlock()
	var left []awaited
	for _, a := range list {
		if a.there() || a.by == by || by == everybody || time.Now().After(a.till) {
			unix.Close(a.dir)
			continue
		}
		left = append(left, a)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = append(left, m.list...)
	m.some.Store(int32(len(m.list)))
}

// there notes the owner, if the file is there. What cannot be looked at is not waited for.
func (a awaited) there() bool {
	var st unix.Stat_t
	err := unix.Fstatat(a.dir, a.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil {
		_ = ids.Record(a.dir, a.name, int(a.who.uid), int(a.who.gid), st.Mode)
	}
	return err != unix.ENOENT
}
