// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/container"
)

// watchPeriod is how often memory is looked at where no cgroup counts it.
const watchPeriod = 250 * time.Millisecond

// watchMemory keeps a memory limit without a cgroup, until the container has
// ended: when its processes together are above the limit, it kills the largest
// of them, as the kernel would. An rlimit is no substitute: RLIMIT_DATA counts
// what a process has mapped, and a Go or Java program maps much more than it
// uses.
func (b *bounds) watchMemory() {
	tick := time.NewTicker(watchPeriod)
	defer tick.Stop()
	for {
		select {
		case <-b.ended:
			return
		case <-tick.C:
		}
		init, _ := b.first.process()
		limit := b.current().Memory
		if init == nil || limit <= 0 {
			continue
		}
		sum, largest := total(resident("/proc", init.HostPid, nil))
		if sum > limit && largest.pid > 0 {
			fmt.Fprintf(os.Stderr, "supervise: %d bytes are above the memory limit: killed process %d\n", sum, largest.pid)
			b.book.settle("oom", func(st *container.State) { st.OOMKilled = true })
			_ = unix.Kill(largest.pid, unix.SIGKILL)
		}
	}
}

// usage is the memory of one process that nobody else shares: pid is its
// number in this process's pid namespace.
type usage struct {
	pid   int
	bytes int64
}

// total is the memory of several processes, and which of them has most.
func total(list []usage) (sum int64, largest usage) {
	for _, u := range list {
		sum += u.bytes
		if u.bytes > largest.bytes {
			largest = u
		}
	}
	return sum, largest
}

// resident appends the memory of a process and its descendants to list. proc
// belongs to the host's pid namespace, and so does pid.
func resident(proc string, pid int, list []usage) []usage {
	dir := filepath.Join(proc, strconv.Itoa(pid))
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return list // it has ended
	}
	var u usage
	for line := range strings.Lines(string(status)) {
		key, val, _ := strings.Cut(line, ":")
		f := strings.Fields(val)
		switch {
		case key == "NSpid" && len(f) > 1:
			u.pid, _ = strconv.Atoi(f[1])
		case (key == "RssAnon" || key == "RssShmem") && len(f) > 0:
			kib, _ := strconv.ParseInt(f[0], 10, 64)
			u.bytes += kib << 10
		}
	}
	list = append(list, u)
	tasks, _ := os.ReadDir(dir + "/task")
	for _, t := range tasks {
		children, _ := os.ReadFile(dir + "/task/" + t.Name() + "/children")
		for _, c := range strings.Fields(string(children)) {
			if n, err := strconv.Atoi(c); err == nil {
				list = resident(proc, n, list)
			}
		}
	}
	return list
}
