// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/ids/paper"
	"coracle/pkg/ns/seccomp"
)

// Inside a container of somebody else there may be no namespaces to be had, but a
// root who may change owners and the root directory (Docker's and Kubernetes's
// defaults). A worker runs there as it is: it unpacks images as they are, and a
// build's commands run in a chroot (package dockerfile/chroot). Where there is no such
// root either (OpenShift's and Kubernetes's restricted policies), a worker has its
// caller's rights alone: owners are noted (ids.Alone), and nothing of an image can run.

// mayChroot reports whether this process can do so.
func mayChroot() bool { return os.Geteuid() == 0 && chrootCapable() && maySetGroups() }

// maySetGroups reports whether this process may become somebody else. In a user
// namespace of a single id nobody may, unless somebody answers for it.
func maySetGroups() bool {
	_, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, 1, 0, 0) // of a list that is nowhere: EFAULT comes after EPERM
	return e != unix.EPERM
}

func chrootCapable() bool {
	for _, c := range []int{unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_SYS_CHROOT} {
		if !ids.Capable(c) {
			return false
		}
	}
	return true
}

// noNamespaces reports whether err, of making a user namespace, says that there are
// none for this process.
func noNamespaces(err error) bool {
	for _, e := range []error{unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EINVAL, unix.ENOSYS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Marks of a stage that has no namespaces of its own: one that may chroot, and one that
// has no rights but its caller's.
const (
	confinedMark = "confined"
	aloneMark    = "alone"
)

var confined bool

// Confined reports whether this process is a stage that has begun, but has no
// namespaces of its own: it mounts nothing, and what it starts sees the host.
func Confined() bool { return confined }

// shedMounting gives up CAP_SYS_ADMIN, for this process and all that it starts: what
// it would mount, it would mount for everybody around.
func shedMounting() error {
	// Without CAP_SETPCAP the bound stays, for programs that a command executes.
	_, _, _ = syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, unix.CAP_SYS_ADMIN, 0)
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var now [2]unix.CapUserData
	if err := unix.Capget(&hdr, &now[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	const bit = uint32(1) << (unix.CAP_SYS_ADMIN % 32)
	now[0].Effective, now[0].Permitted, now[0].Inheritable = now[0].Effective&^bit, now[0].Permitted&^bit, now[0].Inheritable&^bit
	_, _, e := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&now[0])), 0)
	runtime.KeepAlive(&hdr)
	runtime.KeepAlive(&now)
	if e != 0 {
		return os.NewSyscallError("capset", e)
	}
	return nil
}

// giveNothingAway has all calls of chown(2) and its kin succeed in this process without
// doing anything: the storage library gives what it makes to root by them, and who is
// alone is root to it. Whose a file is stands in its note. No program that this process
// executes has more privileges than it.
func giveNothingAway() error {
	done := uint(0)
	prog, err := seccomp.Compile(&specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Syscalls:      []specs.LinuxSyscall{{Names: paper.ChownCalls(), Action: specs.ActErrno, ErrnoRet: &done}},
	})
	if err != nil {
		return err
	}
	if _, _, e := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); e != 0 {
		return os.NewSyscallError("prctl", e)
	}
	f := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	if _, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&f))); e != 0 {
		return os.NewSyscallError("seccomp", e)
	}
	return nil
}

// WhyConfined says why a process that is Confined got no user namespace.
func WhyConfined() error {
	if err := TryUserNamespace(); err != nil {
		return err
	}
	return errors.New("there was none, a moment later there is one")
}

// TryUserNamespace says why this process gets no user namespace; nil where it does.
func TryUserNamespace() error {
	p, err := os.StartProcess("/proc/self/exe", []string{StageWorker}, &os.ProcAttr{
		Sys: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID},
	})
	if err != nil {
		return explainUserNS(fmt.Errorf("create user namespace: %w", err))
	}
	_ = p.Kill() // it has nothing to do
	_, _ = p.Wait()
	if lacksSetfcap() {
		return explainMaps(fmt.Errorf("map ids: %w", unix.EPERM))
	}
	return nil
}
