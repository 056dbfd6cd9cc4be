// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// containerUmask is the umask of everything that is made for containers: theirs,
// their volumes', and that of directories which a layer only implies.
const containerUmask = 0o022

// ShedCaller leaves with the caller what is the caller's: the descriptors above
// the three are passed on to no program that this one executes, and files are
// made with a umask of 022. It returns the caller's umask, for the files that a
// user asks for by name.
func ShedCaller() (umask int) {
	umask = unix.Umask(containerUmask)
	// CLOSE_RANGE_CLOEXEC came with Linux 5.11.
	if unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) != nil {
		closeEachOnExec("/proc/self/fd")
	}
	return umask
}

func closeEachOnExec(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, name := range names {
		if fd, err := strconv.Atoi(name); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}
