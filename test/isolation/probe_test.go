// SPDX-License-Identifier: Apache-2.0

package isolation

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// probe is what runs inside a container. It prints what it finds.
func probe(args []string) int {
	switch args[0] {
	case "fds":
		return probeFDs()
	case "calls":
		for _, c := range append(probeCalls, otherCalls()...) {
			fmt.Println(c.name, errnoOf(c.call()))
		}
	case "keyring":
		id, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
		fmt.Println(id, errnoOf(err))
	case "write-exe":
		return probeWriteExe()
	case "net":
		return probeNet(args[1:])
	}
	return 0
}

func errnoOf(err error) string {
	if err == nil {
		return "ok"
	}
	if e, is := err.(syscall.Errno); is {
		return unix.ErrnoName(e)
	}
	return err.Error()
}

// probeFDs lists what was open before the program started: what the runtime
// opens since is closed on exec.
func probeFDs() int {
	for fd := 0; fd < 1024; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 {
			fmt.Print(fd, " ")
		}
	}
	fmt.Println()
	return 0
}

// probeWriteExe opens every program that runs for writing, over and over.
func probeWriteExe() int {
	self := strconv.Itoa(os.Getpid())
	for {
		procs, err := os.ReadDir("/proc")
		if err != nil {
			return 1
		}
		for _, p := range procs {
			if _, err := strconv.Atoi(p.Name()); err != nil || p.Name() == self {
				continue
			}
			exe := "/proc/" + p.Name() + "/exe"
			for _, name := range []string{exe, "/proc/" + p.Name() + "/fd/3", "/proc/" + p.Name() + "/fd/4"} {
				f, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC|unix.O_NONBLOCK, 0)
				if err == nil {
					_, _ = f.WriteString("#!/bin/evil\n")
					f.Close()
				}
			}
		}
	}
}

type probeCall struct {
	name string
	call func() error
}

func raw(nr uintptr, args ...uintptr) func() error {
	var a [6]uintptr
	copy(a[:], args)
	return func() error {
		_, _, e := syscall.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
		if e == 0 {
			return nil
		}
		return e
	}
}

// probeCalls are system calls with arguments that the kernel itself would
// refuse, should they get that far, with another error than a filter's.
var probeCalls = []probeCall{
	{"mount", raw(unix.SYS_MOUNT, 1, 1, 1, 0, 0)},
	{"umount2", raw(unix.SYS_UMOUNT2, 1, 0)},
	{"pivot_root", raw(unix.SYS_PIVOT_ROOT, 1, 1)},
	{"open_tree", raw(unix.SYS_OPEN_TREE, ^uintptr(0), 1, 0)},
	{"move_mount", raw(unix.SYS_MOVE_MOUNT, ^uintptr(0), 1, ^uintptr(0), 1, 0)},
	{"fsopen", raw(unix.SYS_FSOPEN, 1, 0)},
	{"setns", raw(unix.SYS_SETNS, ^uintptr(0), 0)},
	{"unshare-user", raw(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)},
	{"unshare-mount", raw(unix.SYS_UNSHARE, unix.CLONE_NEWNS)},
	{"clone-user", raw(unix.SYS_CLONE, unix.CLONE_NEWUSER|unix.CLONE_FS)},
	{"clone3", raw(unix.SYS_CLONE3, 1, 64)},
	{"keyctl", raw(unix.SYS_KEYCTL, 0, 0)},
	{"add_key", raw(unix.SYS_ADD_KEY, 1, 1, 0, 0, 0)},
	{"request_key", raw(unix.SYS_REQUEST_KEY, 1, 1, 0, 0)},
	{"bpf", raw(unix.SYS_BPF, 0, 0, 0)},
	{"perf_event_open", raw(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, 0, 0)},
	{"io_uring_setup", raw(unix.SYS_IO_URING_SETUP, 0, 0)},
	{"userfaultfd", raw(unix.SYS_USERFAULTFD, ^uintptr(0))},
	{"kexec_load", raw(unix.SYS_KEXEC_LOAD, 0, 0, 0, 0)},
	{"init_module", raw(unix.SYS_INIT_MODULE, 0, 0, 0)},
	{"delete_module", raw(unix.SYS_DELETE_MODULE, 0, 0)},
	{"open_by_handle_at", raw(unix.SYS_OPEN_BY_HANDLE_AT, ^uintptr(0), 0, 0)},
	{"swapon", raw(unix.SYS_SWAPON, 1, 0)},
	{"reboot", raw(unix.SYS_REBOOT, 0, 0, 0, 0)},
	{"acct", raw(unix.SYS_ACCT, 1)},
	{"quotactl", raw(unix.SYS_QUOTACTL, 0, 0, 0, 0)},
	{"personality", raw(unix.SYS_PERSONALITY, 0x0040000)},
	{"ioctl-tiocsti", raw(unix.SYS_IOCTL, ^uintptr(0), unix.TIOCSTI)},
	{"ioctl-tiocsti-high", raw(unix.SYS_IOCTL, ^uintptr(0), 1<<32|unix.TIOCSTI)},
	{"ioctl-tioclinux", raw(unix.SYS_IOCTL, ^uintptr(0), unix.TIOCLINUX)},
	{"socket-alg", raw(unix.SYS_SOCKET, unix.AF_ALG, unix.SOCK_SEQPACKET, 0)},
	{"socket-vsock", raw(unix.SYS_SOCKET, unix.AF_VSOCK, unix.SOCK_STREAM, 0)},
	{"socket-inet", raw(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, 0)},
	{"socket-packet", raw(unix.SYS_SOCKET, unix.AF_PACKET, unix.SOCK_RAW, 0)},
	{"unknown-599", raw(599)},
	{"ioctl-allowed", raw(unix.SYS_IOCTL, ^uintptr(0), unix.TCGETS)},
}
