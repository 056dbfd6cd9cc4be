// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestForgetProgram: what is mapped of files goes, and the program goes on.
func TestForgetProgram(t *testing.T) {
	mapped := func() int {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(`RssFile:\s+(\d+) kB`).FindSubmatch(status)
		if m == nil {
			t.Skip("this kernel does not say what is mapped of files (proc_pid_status(5))")
		}
		n, _ := strconv.Atoi(string(m[1]))
		return n
	}
	before := mapped()
	ForgetProgram()
	if after := mapped(); after > before*3/4 {
		t.Errorf("%d kB before, %d after", before, after)
	}
}

// TestForgetProgramKeepsWhatWasWritten, as a dynamic linker does before it takes the
// right to write away.
func TestForgetProgramKeepsWhatWasWritten(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(4096); err != nil {
		t.Fatal(err)
	}
	b, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(b) }()
	b[0] = 'x'
	if err := unix.Mprotect(b, unix.PROT_READ); err != nil {
		t.Fatal(err)
	}
	ForgetProgram()
	if b[0] != 'x' {
		t.Errorf("%q is left of it", b[0])
	}
}
