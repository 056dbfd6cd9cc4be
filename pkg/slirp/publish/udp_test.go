// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"coracle/pkg/slirp/l2"
)

// wayOut is a link by which the container answers anybody.
type wayOut l2.Place

func (w wayOut) Place() l2.Place                     { return l2.Place(w) }
func (wayOut) HasWayOut() bool                       { return true }
func (wayOut) ListensUDP6(uint16) bool               { return false }
func (wayOut) SendUDP(_, _ netip.AddrPort, _ []byte) {}
func (wayOut) AnswerTo(*Ports)                       {}

func TestVisitorsOfUDP(t *testing.T) {
	n := wayOut{Gateway: netip.MustParseAddr("10.0.2.2"), Address: netip.MustParsePrefix("10.0.2.100/24")}
	s := &udpServer{port: 53, max: 4}
	s.forward(n)
	one, two := &udpPort{}, &udpPort{}
	now := time.Unix(1000, 0)
	enter := func(p *udpPort, visitor, want string) udpPath {
		t.Helper()
		path := udpPath{port: p, visitor: netip.MustParseAddrPort(visitor)}
		got, on := s.enter(path, now)
		if on != Link(n) || got.String() != want {
			t.Errorf("visitor %s is %s, want %s", visitor, got, want)
		}
		return path
	}
	first := enter(one, "192.0.2.1:5", "192.0.2.1:5")
	enter(two, "192.0.2.1:5", "10.0.2.2:5")        // through another port: not to be mixed up
	enter(one, "[2001:db8::1]:5", "10.0.2.2:1030") // 5 is taken
	enter(one, "10.0.2.100:70", "10.0.2.2:70")     // the container would look for it next to itself
	if got, ok := s.path(netip.MustParseAddrPort("192.0.2.1:5"), now); !ok || got != first {
		t.Errorf("the way back is %v", got)
	}
	now = now.Add(2 * visitorIdle)
	if _, ok := s.path(netip.MustParseAddrPort("192.0.2.1:5"), now); ok {
		t.Error("who was silent for long is still known")
	}
	for i := range 10 { // more than there is room for
		enter(one, fmt.Sprintf("192.0.2.%d:9", i+1), fmt.Sprintf("192.0.2.%d:9", i+1))
	}
	if len(s.paths) > 4 || len(s.byName) != len(s.paths) {
		t.Errorf("%d visitors, %d names", len(s.paths), len(s.byName))
	}
	s.forward(nil)
	if name, on := s.enter(first, now); on != nil {
		t.Errorf("without a network a visitor is led somewhere, as %s", name)
	}
}
