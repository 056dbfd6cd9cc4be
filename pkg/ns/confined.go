// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
)

// Inside a container of somebody else there may be no namespaces to be had, but a
// root who may change owners and the root directory (Docker's and Kubernetes's
// defaults). A worker runs there as it is: it unpacks images as they are, and a
// build's commands run in a chroot (package dockerfile/chroot).

// mayChroot reports whether this process can do so.
func mayChroot() bool {
	if os.Geteuid() != 0 {
		return false
	}
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

// confinedMark is an argument of a stage that has no namespaces of its own.
const confinedMark = "confined"

var confined bool

// Confined reports whether this process is a stage that has begun, but has no
// namespaces of its own: it mounts nothing, and what it starts sees the host.
func Confined() bool { return confined }

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
	return nil
}
