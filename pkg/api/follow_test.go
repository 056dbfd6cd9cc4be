// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"coracle/internal/testutil"
	"coracle/pkg/events"
)

// followers are more than a user may have instances of inotify(7).
func followers(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile("/proc/sys/fs/inotify/max_user_instances")
	testutil.Needs(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	if n > 500 {
		testutil.Needs(t, fmt.Errorf("a host with fewer instances of inotify than %d", n))
	}
	return n + 72
}

// TestManyFollow: those who follow events take nothing that there are few of.
func TestManyFollow(t *testing.T) {
	n := followers(t)
	s := serve(t)
	var all sync.WaitGroup
	heard := make(chan string, n)
	for range n {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://d/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.Do(r) // it is answered when nothing is missed any more
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 {
			line, _ := bufio.NewReader(resp.Body).ReadString('\n')
			t.Fatalf("%s %s", resp.Status, line)
		}
		all.Go(func() {
			defer resp.Body.Close()
			line, _ := bufio.NewReader(resp.Body).ReadString('\n')
			heard <- line
		})
	}
	if err := events.Append(s.e.Dirs.Root, events.New(events.Container, "start", "id", nil)); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	close(heard)
	for line := range heard {
		if !strings.Contains(line, `"Action":"start"`) {
			t.Errorf("%q", line)
		}
	}
}
