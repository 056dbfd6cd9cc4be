// SPDX-License-Identifier: Apache-2.0

package client

import (
	"testing"

	"coracle/pkg/container"
	"coracle/pkg/network"
)

// TestNetworksChangeUnderTheirFeet changes the networks of a container by what
// commands have read before another one changed them, as two that run at once do.
func TestNetworksChangeUnderTheirFeet(t *testing.T) {
	s := newStore(t)
	r := &container.Record{Name: "moves", Net: container.Net{Mode: "a", Networks: []network.Endpoint{{Network: "a"}, {Network: "b"}, {Network: "c"}}}}
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	stale, err := s.Load(r.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, net := range []string{"a", "c"} { // c is the last: its old index is out of range after a has gone
		if err := Disconnect(t.Context(), s, stale, net); err != nil {
			t.Fatalf("%s: %v", net, err)
		}
	}
	if err := Disconnect(t.Context(), s, stale, "a"); err == nil {
		t.Error("taken off a network that it is not on any more")
	}
	for i := range 2 {
		if err := Connect(t.Context(), s, stale, network.Endpoint{Network: "d"}); (err == nil) != (i == 0) {
			t.Errorf("connected for the %dth time: %v", i+1, err)
		}
	}
	now, err := s.Load(stale.ID)
	if err != nil {
		t.Fatal(err)
	}
	if n := now.Net.Networks; len(n) != 2 || n[0].Network != "b" || n[1].Network != "d" {
		t.Errorf("it is on %v, want b and d", n)
	}
}
