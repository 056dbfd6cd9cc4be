// SPDX-License-Identifier: Apache-2.0

package isolation

import (
	"errors"
	"runtime/debug"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// otherCalls take the other two ways into the kernel of amd64: x32, by bit 30
// of the number, and i386, by interrupt 0x80.
func otherCalls() []probeCall {
	const x32 = 0x40000000
	return []probeCall{
		{"x32-getpid", raw(x32 | unix.SYS_GETPID)},
		{"x32-unshare", raw(x32|unix.SYS_UNSHARE, unix.CLONE_NEWUSER)},
		{"x32-ioctl", raw(x32|514, 0, unix.TIOCSTI)},
		{"i386-getpid", int80(20, 0, 0)},
		{"i386-socketcall", int80(102, 1, 0)},
		{"i386-socket-alg", int80(359, unix.AF_ALG, unix.SOCK_SEQPACKET)},
		{"i386-unshare", int80(310, unix.CLONE_NEWUSER, 0)},
		{"i386-mount", int80(21, 0, 0)},
		{"i386-keyctl", int80(288, 0, 0)},
		{"i386-ioctl-tiocsti", int80(54, 0xffffffff, unix.TIOCSTI)},
	}
}

// int80 makes a system call of i386: a function of machine code takes number
// and two arguments where Go passes them (rax, rbx, rcx) and returns in rax.
// i386 wants them in eax, ebx, ecx: they are there already. A kernel without
// IA-32 (CONFIG_IA32_EMULATION, ia32_emulation=0) has no gate for the
// interrupt: the processor faults, and the error is noGate.
func int80(nr, a, b uintptr) func() error {
	return func() (err error) {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() {
			if recover() != nil {
				err = errors.New(noGate)
			}
		}()
		code := []byte{0xcd, 0x80, 0x48, 0x98, 0xc3} // int 0x80; cdqe; ret
		mem, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			return err
		}
		copy(mem, code)
		if err := unix.Mprotect(mem, unix.PROT_READ|unix.PROT_EXEC); err != nil {
			return err
		}
		entry := unsafe.Pointer(&mem[0])
		value := unsafe.Pointer(&entry)
		fn := *(*func(nr, a, b uintptr) int)(unsafe.Pointer(&value))
		r := fn(nr, a, b)
		switch {
		case r < 0 && r > -4096:
			return syscall.Errno(-r)
		case r < 0:
			return errors.New("no errno")
		}
		return nil
	}
}
