// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var (
	four = Target{Addr: netip.MustParseAddr("10.0.2.15"), Gateway: netip.MustParseAddr("10.0.2.2")}
	both = Target{
		Addr: four.Addr, Gateway: four.Gateway,
		Addr6: netip.MustParseAddr("fd00::15"), Gateway6: netip.MustParseAddr("fd00::2"),
	}
)

// TestAttempts: in whose name a visitor is led to which address of the container,
// and what is tried after that.
func TestAttempts(t *testing.T) {
	for _, c := range []struct {
		name, from  string
		to          Target
		transparent bool
		want        string // name>destination
	}{
		{"somebody else", "203.0.113.9:4000", four, true, "203.0.113.9:4000>10.0.2.15:80 none>10.0.2.15:80"},
		{"the host itself is the gateway", "127.0.0.1:4000", four, true, "10.0.2.2:4000>10.0.2.15:80 none>10.0.2.15:80"},
		{"so is all of its loopback", "127.9.9.9:4000", four, true, "10.0.2.2:4000>10.0.2.15:80 none>10.0.2.15:80"},
		{"and whose address is the link's alone", "169.254.1.1:4000", four, true, "10.0.2.2:4000>10.0.2.15:80 none>10.0.2.15:80"},
		{"names cannot be had", "203.0.113.9:4000", four, false, "none>10.0.2.15:80"},
		{"over IPv6 to IPv4", "[2001:db8::9]:4000", four, true, "10.0.2.2:4000>10.0.2.15:80 none>10.0.2.15:80"},
		{
			"over IPv6", "[2001:db8::9]:4000", both, true,
			"[2001:db8::9]:4000>[fd00::15]:80 10.0.2.2:4000>10.0.2.15:80 none>10.0.2.15:80",
		},
		{"over IPv6 from the host", "[::1]:4000", both, true, "[fd00::2]:4000>[fd00::15]:80 10.0.2.2:4000>10.0.2.15:80 none>10.0.2.15:80"},
		{
			"over IPv6 from the link", "[fe80::9%eth0]:4000", both, true,
			"[fd00::2]:4000>[fd00::15]:80 10.0.2.2:4000>10.0.2.15:80 none>10.0.2.15:80",
		},
		{"over IPv6, no names", "[2001:db8::9]:4000", both, false, "none>10.0.2.15:80"},
		{"over IPv4 to both", "203.0.113.9:4000", both, true, "203.0.113.9:4000>10.0.2.15:80 none>10.0.2.15:80"},
		{"no address", "203.0.113.9:4000", Target{}, true, ""},
	} {
		p := &Port{server: NewServer(80, c.to)}
		var got []string
		for _, a := range p.attempts(netip.MustParseAddrPort(c.from), c.transparent) {
			name := "none"
			if a.name.IsValid() {
				name = a.name.String()
			}
			got = append(got, fmt.Sprint(name, ">", a.dst))
			if a.name.Addr().IsLoopback() || a.dst.Addr().IsLoopback() {
				t.Errorf("%s: a connection of the loopback (CVE-2021-20199): %v", c.name, a)
			}
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, g, c.want)
		}
	}
}

// TestForward: who comes later is led elsewhere.
func TestForward(t *testing.T) {
	p := &Port{server: NewServer(80, four)}
	from := netip.MustParseAddrPort("203.0.113.9:4000")
	other := netip.MustParseAddr("10.9.9.9")
	p.server.Forward(Target{Addr: other})
	if got := p.attempts(from, false); len(got) != 1 || got[0].dst != netip.AddrPortFrom(other, 80) {
		t.Errorf("%v", got)
	}
	p.server.Forward(Target{})
	if got := p.attempts(from, true); got != nil {
		t.Errorf("without an address: %v", got)
	}
}

// TestLast: a server that refuses over IPv4 is not there; over IPv6 it may listen for
// IPv4 alone, and any other error is that of this way.
func TestLast(t *testing.T) {
	for _, c := range []struct {
		dst  string
		err  error
		want bool
	}{
		{"10.0.2.15:80", unix.ECONNREFUSED, true},
		{"[fd00::15]:80", unix.ECONNREFUSED, false},
		{"10.0.2.15:80", unix.EHOSTUNREACH, false},
		{"10.0.2.15:80", unix.EADDRNOTAVAIL, false},
		{"10.0.2.15:80", nil, false},
	} {
		if got := (attempt{dst: netip.MustParseAddrPort(c.dst)}).last(c.err); got != c.want {
			t.Errorf("%s, %v: %v", c.dst, c.err, got)
		}
	}
}

// TestPause: after each failure to accept in a row it takes twice as long until the
// next try, and never longer than a second.
func TestPause(t *testing.T) {
	r := &Loop{epoll: -1, ports: map[int]*Port{}}
	if r.timeout() != -1 {
		t.Errorf("nothing is waited for, for %d ms", r.timeout())
	}
	for _, want := range []time.Duration{5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000} {
		before := time.Now()
		r.pause()
		if r.wait != want*time.Millisecond {
			t.Fatalf("%v, want %d ms", r.wait, want)
		}
		if r.resume.Before(before.Add(r.wait)) || r.timeout() < 1 || r.timeout() > int(want)+1 {
			t.Errorf("resumes at %v, in %d ms", r.resume.Sub(before), r.timeout())
		}
	}
	r.acceptAgain()
	if r.resume.IsZero() {
		t.Error("accepts before the time")
	}
	r.resume = time.Now().Add(-time.Millisecond)
	if r.timeout() != 1 {
		t.Errorf("past the time it waits for %d ms", r.timeout())
	}
	if r.acceptAgain(); !r.resume.IsZero() {
		t.Error("does not accept after the time")
	}
}

// TestPipePool: there are no more pipes than the limit, empty ones are used again, and
// not many are kept.
func TestPipePool(t *testing.T) {
	p := pipePool{limit: 6, limited: true}
	var all []*pipe
	for range 6 {
		one := p.take()
		if one == nil {
			t.Fatalf("no pipe after %d", len(all))
		}
		all = append(all, one)
	}
	if p.take() != nil {
		t.Error("a seventh")
	}
	if n, err := unix.FcntlInt(uintptr(all[0].r), unix.F_GETPIPE_SZ, 0); err != nil || n < 4096 {
		t.Errorf("a pipe of %d bytes, %v", n, err)
	}
	p.discard(all[5])
	if _, err := unix.FcntlInt(uintptr(all[5].w), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("a discarded pipe is still open: %v", err)
	}
	if all[5] = p.take(); all[5] == nil {
		t.Fatal("none after one was discarded")
	}
	for _, one := range all {
		p.give(one)
	}
	if len(p.free) != 4 || p.made != 4 {
		t.Errorf("%d are kept, of %d", len(p.free), p.made)
	}
	if last := p.free[3]; p.take() != last {
		t.Error("a new pipe where one was free")
	}
	p.made--
	if p.close(); p.made != 0 {
		t.Errorf("%d are left", p.made)
	}
	if (&pipePool{limited: true}).take() != nil {
		t.Error("a pipe although there may be none")
	}
	q := pipePool{}
	if q.take() == nil || q.limit == 0 {
		t.Errorf("none at the default limit %d", q.limit)
	}
	q.discard(&pipe{-1, -1})
}

func TestLoops(t *testing.T) {
	if n := Loops(); n < 1 || n > 4 {
		t.Errorf("%d loops", n)
	}
}
