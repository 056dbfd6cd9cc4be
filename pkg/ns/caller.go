// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"os"
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

// namedFiles are the descriptors above the three that a command line names, each
// in the place of its number, from 3 on. done closes our copies of them.
func namedFiles(args []string) (files []*os.File, done func()) {
	done = func() {
		for _, f := range files {
			f.Close()
		}
	}
	for _, a := range args {
		for _, n := range namedIn(a) {
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

// namedIn are the numbers of the descriptors above the three that a word of a
// command line names, by itself or as a field of an option.
func namedIn(word string) (numbers []int) {
	for field := range strings.FieldsFuncSeq(word, func(r rune) bool { return strings.ContainsRune("=,:>", r) }) {
		number, ok := strings.CutPrefix(field, "/dev/fd/")
		if !ok {
			number, ok = strings.CutPrefix(field, "/proc/self/fd/")
		}
		if n, err := strconv.ParseUint(number, 10, 10); ok && err == nil && n > 2 {
			numbers = append(numbers, int(n))
		}
	}
	return numbers
}
