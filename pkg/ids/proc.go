// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"coracle/pkg/inroot"
)

// processes finds the directories of processes in a procfs, by the numbers that
// they have in this process's PID namespace. /proc may be that of another one.
type processes struct {
	once sync.Once
	own  *os.File // a procfs of our PID namespace; nil where none may be mounted
}

// dir is the path of a process's directory, or of a thread's.
func (p *processes) dir(pid int) (string, error) {
	p.once.Do(func() { p.own = mountProc() })
	if p.own != nil {
		return inroot.Path(p.own) + "/" + strconv.Itoa(pid), nil
	}
	n, err := numberInProc(pid)
	return fmt.Sprintf("/proc/%d", n), err
}

// mountProc mounts a procfs that nobody else sees; it ends with its descriptor
// (fsmount(2), Linux 5.2). It is refused where /proc is covered in part.
func mountProc() *os.File {
	fs, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "proc")
}

// numberInProc is the number in /proc of a process, or since Linux 6.9 of a
// thread, that has the number pid here.
func numberInProc(pid int) (int, error) {
	fd, err := unix.PidfdOpen(pid, unix.O_EXCL) // PIDFD_THREAD
	if err == unix.EINVAL {
		fd, err = unix.PidfdOpen(pid, 0)
	}
	if err != nil {
		return 0, os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(fd)
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(info, []byte("\nPid:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	n, err := strconv.Atoi(string(bytes.TrimSpace(line)))
	if err != nil || n <= 0 {
		return 0, unix.ESRCH
	}
	return n, nil
}
