// SPDX-License-Identifier: Apache-2.0

package child

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// scopeABI is the version of Landlock that knows scopes (Linux 6.12).
const scopeABI = 6

// ClosesAbstract reports whether this kernel can keep processes from the
// abstract unix sockets (unix(7)) of others.
func ClosesAbstract() bool { return CheckScopes() == nil }

// CheckScopes says why this kernel cannot.
func CheckScopes() error {
	version, _, e := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch {
	case e != 0:
		return os.NewSyscallError("landlock_create_ruleset", e)
	case version < scopeABI:
		return fmt.Errorf("Landlock has version %d, not %d", version, scopeABI)
	}
	return nil
}

// closeAbstract enters a Landlock domain whose processes connect to abstract
// unix sockets of that domain only: those of the host belong to its network
// namespace, and not to any file's permissions (CVE-2020-15257). The command has
// warned where the kernel cannot do that.
func (s *setup) closeAbstract() error {
	if !s.CloseAbstract || !ClosesAbstract() {
		return nil
	}
	attr := struct{ accessFS, accessNet, scoped uint64 }{scoped: unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET}
	fd, _, e := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if e != 0 {
		return os.NewSyscallError("landlock_create_ruleset", e)
	}
	defer unix.Close(int(fd))
	if _, _, e := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); e != 0 {
		return os.NewSyscallError("landlock_restrict_self", e)
	}
	return nil
}
