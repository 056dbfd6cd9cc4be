// SPDX-License-Identifier: Apache-2.0

package paper

import (
	"math"
	"runtime"

	"golang.org/x/sys/unix"
)

// args are those of a system call, as they are in registers.
type args = [6]uint64

// handler makes a call for its process: what it returns, or an error of the
// kernel's, or errAsKernel.
type handler func(c *call, a args) (uint32, error)

// native is the architecture whose programs are 64-bit.
func native() uint32 {
	if runtime.GOARCH == "arm64" {
		return unix.AUDIT_ARCH_AARCH64
	}
	return unix.AUDIT_ARCH_X86_64
}

// handlerOf finds who makes a call. A filter hands over the calls of [SetCalls] and
// the others by name, whatever program makes them.
func handlerOf(arch uint32, nr int32) handler {
	switch {
	case arch == native():
		if h := handler64(nr); h != nil || runtime.GOARCH != "amd64" {
			return h
		}
		return handlerX86(nr)
	case arch == unix.AUDIT_ARCH_I386:
		if h := handlerI386(nr); h != nil {
			return func(c *call, a args) (uint32, error) { return h(c, wide(a)) }
		}
	}
	return nil
}

// handler64 are the calls that x86_64 and arm64 both have, by their own numbers.
func handler64(nr int32) handler {
	switch nr {
	case unix.SYS_SETUID:
		return setuid
	case unix.SYS_SETGID:
		return setgid
	case unix.SYS_SETREUID:
		return setreuid
	case unix.SYS_SETREGID:
		return setregid
	case unix.SYS_SETRESUID:
		return setresuid
	case unix.SYS_SETRESGID:
		return setresgid
	case unix.SYS_SETFSUID:
		return setfsuid
	case unix.SYS_SETFSGID:
		return setfsgid
	case unix.SYS_SETGROUPS:
		return setgroups
	case unix.SYS_PRCTL:
		return prctl
	case unix.SYS_GETUID:
		return getter(func(i *identity) uint32 { return i.uid.real })
	case unix.SYS_GETEUID:
		return getter(func(i *identity) uint32 { return i.uid.effective })
	case unix.SYS_GETGID:
		return getter(func(i *identity) uint32 { return i.gid.real })
	case unix.SYS_GETEGID:
		return getter(func(i *identity) uint32 { return i.gid.effective })
	case unix.SYS_GETRESUID:
		return getresuid
	case unix.SYS_GETRESGID:
		return getresgid
	case unix.SYS_GETGROUPS:
		return getgroups
	}
	return fileHandler64(nr)
}

// fileHandler64: see handler64.
func fileHandler64(nr int32) handler {
	switch nr {
	case unix.SYS_FCHOWN:
		return fchown
	case unix.SYS_FCHOWNAT:
		return fchownat
	case unix.SYS_FSTAT:
		return fstat(statNative)
	case unix.SYS_NEWFSTATAT:
		return fstatat(statNative)
	case unix.SYS_STATX:
		return statx
	case unix.SYS_OPENAT:
		return openat
	case unix.SYS_OPENAT2:
		return openat2
	case unix.SYS_MKDIRAT:
		return mkdirat
	case unix.SYS_MKNODAT:
		return mknodat
	case unix.SYS_SYMLINKAT:
		return symlinkat
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		return moves
	}
	return nil
}

// handlerX86 are the calls of x86_64 that arm64 has not.
func handlerX86(nr int32) handler {
	switch nr {
	case 2:
		return open
	case 4:
		return stat(statNative)
	case 6:
		return lstat(statNative)
	case 82, 264: // rename, renameat
		return moves
	case 83:
		return mkdir
	case 85:
		return creat
	case 88:
		return symlink
	case 92:
		return chown
	case 94:
		return lchown
	case 133:
		return mknod
	}
	return nil
}

// handlerI386 are the calls of i386 programs (arch/x86/entry/syscalls/syscall_32.tbl).
// The elder ones have ids of 16 bits.
func handlerI386(nr int32) handler {
	switch nr {
	case 23:
		return narrow(setuid)
	case 46:
		return narrow(setgid)
	case 70:
		return narrow(setreuid)
	case 71:
		return narrow(setregid)
	case 138:
		return narrow(setfsuid)
	case 139:
		return narrow(setfsgid)
	case 164:
		return narrow(setresuid)
	case 170:
		return narrow(setresgid)
	case 81:
		return setgroups16
	case 203:
		return setreuid
	case 204:
		return setregid
	case 206:
		return setgroups
	case 208:
		return setresuid
	case 210:
		return setresgid
	case 213:
		return setuid
	case 214:
		return setgid
	case 215:
		return setfsuid
	case 216:
		return setfsgid
	case 172:
		return prctl
	}
	if h := askI386(nr); h != nil {
		return h
	}
	return fileI386(nr)
}

// askI386: see handlerI386.
func askI386(nr int32) handler {
	switch nr {
	case 24:
		return getter16(func(i *identity) uint32 { return i.uid.real })
	case 47:
		return getter16(func(i *identity) uint32 { return i.gid.real })
	case 49:
		return getter16(func(i *identity) uint32 { return i.uid.effective })
	case 50:
		return getter16(func(i *identity) uint32 { return i.gid.effective })
	case 80:
		return getgroups16
	case 165:
		return getresuid16
	case 171:
		return getresgid16
	case 199:
		return getter(func(i *identity) uint32 { return i.uid.real })
	case 200:
		return getter(func(i *identity) uint32 { return i.gid.real })
	case 201:
		return getter(func(i *identity) uint32 { return i.uid.effective })
	case 202:
		return getter(func(i *identity) uint32 { return i.gid.effective })
	case 205:
		return getgroups
	case 209:
		return getresuid
	case 211:
		return getresgid
	}
	return nil
}

// fileI386: see handlerI386.
func fileI386(nr int32) handler {
	switch nr {
	case 16:
		return narrowOwner(lchown, 1)
	case 95:
		return narrowOwner(fchown, 1)
	case 182:
		return narrowOwner(chown, 1)
	case 198:
		return lchown
	case 207:
		return fchown
	case 212:
		return chown
	case 298:
		return fchownat
	case 195:
		return stat(statI386)
	case 196:
		return lstat(statI386)
	case 197:
		return fstat(statI386)
	case 300:
		return fstatat(statI386)
	case 383:
		return statx
	case 5:
		return open
	case 8:
		return creat
	case 14:
		return mknod
	case 38, 302, 353: // rename, renameat, renameat2
		return moves
	case 39:
		return mkdir
	case 83:
		return symlink
	case 295:
		return openat
	case 296:
		return mkdirat
	case 297:
		return mknodat
	case 304:
		return symlinkat
	case 437:
		return openat2
	}
	return nil
}

// wide are the arguments of a 32-bit program as a 64-bit one has them: numbers below
// zero are, and a pointer has no upper half.
func wide(a args) args {
	for i := range a {
		a[i] = uint64(uint32(a[i]))
	}
	return a
}

// narrow makes a call whose arguments are ids of 16 bits: -1 is -1 there, too.
func narrow(h handler) handler {
	return func(c *call, a args) (uint32, error) {
		for i := range a {
			a[i] = widen(a[i])
		}
		return h(c, a)
	}
}

// narrowOwner is narrow of a call whose ids are the two arguments from first on.
func narrowOwner(h handler, first int) handler {
	return func(c *call, a args) (uint32, error) {
		a[first], a[first+1] = widen(a[first]), widen(a[first+1])
		return h(c, a)
	}
}

func widen(id uint64) uint64 {
	if id = uint64(uint16(id)); id == math.MaxUint16 {
		return uint64(same)
	}
	return id
}

// overflow is the id that is shown where one has more than 16 bits
// (/proc/sys/fs/overflowuid).
const overflow = 65534

func narrowed(id uint32) uint16 {
	if id > math.MaxUint16 {
		return overflow
	}
	return uint16(id)
}
