// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"coracle/internal/testutil"
)

// atRest is what a process may have that nobody asks anything, in kB.
const atRest = 20 << 10

// TestAtRest: a process that has worked gives back what that took.
func TestAtRest(t *testing.T) {
	u := newUser(t)
	u.busybox()
	do := u.serve()
	rest := func(after string) {
		testutil.Eventually(t, "the process is small after "+after, func() bool { return u.resident() < atRest })
	}
	rest("its start")
	context, err := testutil.Tar(append(builds(), testutil.File{Name: "large", Text: string(bytes.Repeat([]byte("0123456789abcdef"), 1<<20))}))
	if err != nil {
		t.Fatal(err)
	}
	if status, text := do("POST", "/build?t=built", string(context)); status != 200 {
		t.Fatal(text)
	}
	rest("a build")
	var clients sync.WaitGroup
	for range 100 {
		clients.Go(func() {
			if status, text := do("GET", "/images/json", ""); status != 200 {
				t.Error(text)
			}
		})
	}
	clients.Wait()
	rest("100 clients")
}

// resident is the memory of the process that serves, in kB.
func (u *user) resident() int {
	u.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", u.server))
	if err != nil {
		u.t.Fatal(err)
	}
	n, _ := strconv.Atoi(string(regexp.MustCompile(`VmRSS:\s+(\d+)`).FindSubmatch(status)[1]))
	return n
}
