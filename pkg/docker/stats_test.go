// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"fmt"
	"testing"
	"time"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
)

func TestStats(t *testing.T) {
	start := running().State.StartedAt
	before := &container.Usage{At: start.Add(time.Second), Stats: cgroup.Stats{CPU: time.Second}}
	now := &container.Usage{At: start.Add(3 * time.Second), Received: 5388, Sent: 648, Stats: cgroup.Stats{
		CPU: 4 * time.Second, Memory: 6537216, MemoryLimit: 67108864, Pids: 3, Read: 11, Written: 12,
	}}
	s := Stats(running(), now, before, 4)
	if got := fmt.Sprint(s.ID == testID, s.Name, s.MemoryStats.Usage, s.MemoryStats.Limit, s.PidsStats, s.Networks["eth0"].RxBytes, CPUShare(s)); got != "true/web6537216 67108864 {3 64} 5388 1.5" {
		t.Error(got)
	}
	if received, sent, read, written := Traffic(s); received != 5388 || sent != 648 || read != 11 || written != 12 {
		t.Error(received, sent, read, written)
	}
	for _, c := range []struct{ now, before *container.Usage }{{nil, nil}, {now, nil}, {nil, before}, {now, now}, {before, now}} {
		if s := Stats(running(), c.now, c.before, 4); CPUShare(s) != 0 {
			t.Errorf("%+v", s)
		}
	}
	host := running()
	host.Net = container.Net{Mode: "host"}
	if s := Stats(host, now, before, 4); s.Networks != nil {
		t.Error("what the host sends is not the container's")
	}
}
