// SPDX-License-Identifier: Apache-2.0

//go:build !amd64 && !arm64

package fork

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// vforkClone is clone(2) with a copy of the memory: to share it takes a function in
// the processor's own language.
//
//go:nosplit
//go:norace
func vforkClone(flags uintptr) (pid, errno uintptr) {
	r, _, e := syscall.RawSyscall6(syscall.SYS_CLONE, flags&^(unix.CLONE_VM|unix.CLONE_VFORK), 0, 0, 0, 0, 0)
	return r, uintptr(e)
}
