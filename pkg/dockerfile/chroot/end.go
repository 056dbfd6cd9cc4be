// SPDX-License-Identifier: Apache-2.0

package chroot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"coracle/pkg/ns"

	"golang.org/x/sys/unix"
)

// await reaps one child. When the context ends, it is killed.
func await(ctx context.Context, pid int) (syscall.WaitStatus, error) {
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	defer stop()
	for {
		var st syscall.WaitStatus
		_, err := syscall.Wait4(pid, &st, 0, nil)
		if !errors.Is(err, syscall.EINTR) {
			return st, os.NewSyscallError("wait4", err)
		}
	}
}

// endAll kills and reaps what has become this process's children: with a subreaper,
// everything that a command has left behind (PR_SET_CHILD_SUBREAPER, prctl(2)).
func endAll() error {
	for {
		list, err := children()
		if err != nil || len(list) == 0 {
			return err
		}
		for _, pid := range list {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			if _, err := await(context.Background(), pid); err != nil && !errors.Is(err, syscall.ECHILD) {
				return err
			}
		}
	}
}

// children are the processes whose parent this one is, dead ones that nobody has
// waited for among them (the fourth field of proc_pid_stat(5)).
func children() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("end command: %w", err)
	}
	var list []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		data, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		f := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
		if len(f) > 1 && f[1] == strconv.Itoa(os.Getpid()) {
			list = append(list, pid)
		}
	}
	return list, nil
}

func limit(pid int, name string, soft, hard uint64) error {
	n, ok := ns.Rlimit(name)
	if !ok {
		return fmt.Errorf("set limit %s: unknown", name)
	}
	if err := unix.Prlimit(pid, n, &unix.Rlimit{Cur: soft, Max: hard}, nil); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("set limit %s: %w", name, os.NewSyscallError("prlimit", err))
	}
	return nil
}
