// SPDX-License-Identifier: Apache-2.0

package paper

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// processes finds the directories of processes in a procfs, by the numbers that
// they have in this process's PID namespace. /proc may be that of another one.
type processes struct {
	once sync.Once
	own  int // a procfs of our PID namespace; -1 where none may be mounted, and /proc is none
}

// place is the directory of a process, or of a thread: base in dir, or path.
type place struct {
	dir        int
	base, path string
}

func (p *processes) place(pid int) (place, error) {
	p.once.Do(func() {
		if p.own = mountProc(); p.own < 0 {
			p.own = openProc()
		}
	})
	if p.own >= 0 {
		n := strconv.Itoa(pid)
		return place{p.own, n, "/proc/self/fd/" + strconv.Itoa(p.own) + "/" + n}, nil
	}
	n, err := numberInProc(pid)
	path := "/proc/" + strconv.Itoa(n)
	return place{unix.AT_FDCWD, path, path}, err
}

// link opens what a link of the directory leads to: root, cwd, fd/3. O_PATH.
func (p place) link(name string) (int, error) {
	return unix.Openat(p.dir, p.base+"/"+name, unix.O_PATH|unix.O_CLOEXEC, 0)
}

// mountProc mounts a procfs that nobody else sees; it ends with its descriptor, and
// that with this process (fsmount(2), Linux 5.2). It is refused where /proc is
// covered in part.
func mountProc() int {
	fs, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return -1
	}
	return fd
}

// openProc opens /proc, if that is the one of our PID namespace: processes have no other
// number in it (NSpid of proc_pid_status(5)).
func openProc() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return -1
	}
	_, rest, _ := bytes.Cut(status, []byte("\nNSpid:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	if string(bytes.TrimSpace(line)) != strconv.Itoa(os.Getpid()) {
		return -1
	}
	fd, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
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
