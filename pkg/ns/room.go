// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
)

// tasksNeeded is how many threads a command makes at least. The runtime ends a
// program that gets none, with a list of stacks.
const tasksNeeded = 12

// CheckRoom reports that the caller's RLIMIT_NPROC leaves no room for the threads
// of a command. It only looks at limits that are suspiciously low.
func CheckRoom() error {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NPROC, &r) != nil || r.Cur >= 1024 || os.Geteuid() == 0 {
		return nil
	}
	if have := ownTasks(os.Geteuid()); have > 0 && uint64(have)+tasksNeeded > r.Cur {
		return hint.About(hint.Limits,
			fmt.Errorf("no room for the threads of this command: %d of %d processes and threads are in use", have, r.Cur),
			"raise the limit: ulimit -u "+strconv.Itoa(max(1024, 2*have))+", LimitNPROC= of a unit, or nproc in limits.conf(5)",
		)
	}
	return nil
}

// ownTasks counts the threads of a user's processes.
func ownTasks(uid int) int {
	d, err := os.Open("/proc")
	if err != nil {
		return 0
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	total := 0
	for _, name := range names {
		if _, err := strconv.Atoi(name); err != nil {
			continue
		}
		var st syscall.Stat_t
		if syscall.Stat("/proc/"+name, &st) != nil || int(st.Uid) != uid {
			continue
		}
		if n, err := threads("/proc/" + name + "/stat"); err == nil {
			total += n
		}
	}
	return total
}

// threads is the twentieth field of proc_pid_stat(5); the second may hold blanks.
func threads(path string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	f := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	if len(f) < 18 {
		return 0, errors.New("unexpected form")
	}
	return strconv.Atoi(string(f[17]))
}
