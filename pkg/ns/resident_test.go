// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"os"
	"regexp"
	"strconv"
	"testing"
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
