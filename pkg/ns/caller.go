// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"os"
	"regexp"
	"strconv"
	"strings"

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

// descriptor is how a word of a command line names one.
const descriptor = `(?:^|[=,:>])/(?:dev|proc/self)/fd/([0-9]{1,3})(?:$|[,:])`

// namedFiles are the descriptors above the three that a command line names, each
// in the place of its number, from 3 on. done closes our copies of them.
func namedFiles(args []string) (files []*os.File, done func()) {
	done = func() {
		for _, f := range files {
			f.Close()
		}
	}
	var names *regexp.Regexp
	for _, a := range args {
		if !strings.Contains(a, "/fd/") {
			continue
		}
		if names == nil {
			names = regexp.MustCompile(descriptor)
		}
		for _, m := range names.FindAllStringSubmatch(a, -1) {
			n, err := strconv.Atoi(m[1])
			if err != nil || n < 3 {
				continue
			}
			fd, err := unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 3)
			if err != nil {
				continue // whoever opens it says so
			}
			for len(files) <= n-3 {
				files = append(files, nil)
			}
			if files[n-3] != nil {
				files[n-3].Close()
			}
			files[n-3] = os.NewFile(uintptr(fd), a)
		}
	}
	return files, done
}
