// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"coracle/pkg/ns/fork"
)

// sealedSelf is this program as no process can write to it: not even one of the
// container that gets hold of /proc/PID/exe while the program is still ours
// (CVE-2019-5736). A stage gets the descriptor as its last one, and is executed
// by its number there: a high number of its own would make the kernel grow the
// table of descriptors, which takes 10 ms while threads share it.
var sealedSelf = sync.OnceValues(func() (*os.File, error) {
	fd, err := readOnlySelf()
	if err != nil {
		fd, err = copiedSelf()
	}
	if err != nil {
		return nil, fmt.Errorf("seal own program: %w", err)
	}
	return os.NewFile(uintptr(fd), "program"), nil
})

// readOnlySelf is the program on a read-only mount that is in no mount
// namespace, where nobody can remount it. Cloning /proc/self/exe itself is
// refused: it was opened in the mount namespace we came from.
func readOnlySelf() (int, error) {
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return -1, err
	}
	fd, err := openTree(path)
	if errors.Is(err, unix.EPERM) {
		fd, err = fork.OpenTree(path, sealedAttr)
	}
	if err != nil {
		return -1, err
	}
	var want, have unix.Stat_t
	err = errors.Join(unix.Stat("/proc/self/exe", &want), unix.Fstat(fd, &have))
	if err == nil && (want.Dev != have.Dev || want.Ino != have.Ino) {
		err = errors.New("the program was replaced while it ran")
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

var sealedAttr = unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID}

func openTree(path string) (int, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("open_tree", err)
	}
	attr := sealedAttr
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("mount_setattr", err)
	}
	return fd, nil
}

// copiedSelf is a sealed copy in memory, for a program whose file is gone.
func copiedSelf() (int, error) {
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		return -1, err
	}
	defer exe.Close()
	fd, err := unix.MemfdCreate("coracle", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, os.NewSyscallError("memfd_create", err)
	}
	mem := os.NewFile(uintptr(fd), "coracle")
	if _, err := io.Copy(mem, exe); err != nil {
		mem.Close()
		return -1, err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		mem.Close()
		return -1, os.NewSyscallError("fcntl F_ADD_SEALS", err)
	}
	// A file that is open for writing anywhere cannot be executed.
	kept, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	mem.Close()
	return kept, err
}
