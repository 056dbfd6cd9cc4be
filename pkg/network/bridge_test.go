// SPDX-License-Identifier: Apache-2.0

package network

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"coracle/pkg/slirp"
)

// prefixes reads networks from a text.
func prefixes(text string) (list []netip.Prefix) {
	for _, f := range strings.Fields(text) {
		list = append(list, netip.MustParsePrefix(f))
	}
	return list
}

// container is one that comes to a network.
func container(i int) Member {
	return Member{Container: fmt.Sprintf("%064x", i), Name: fmt.Sprintf("c%d", i)}
}

// come has a container become a member on a host with these routes.
func come(t *testing.T, n Store, i int, host string) *Membership {
	t.Helper()
	m, err := n.claimOne(container(i), prefixes(host))
	if err == nil {
		err = m.appear()
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// die is what a killed supervisor leaves: its files, and no lock.
func die(m *Membership) {
	m.conn.Close()
	m.lock.Release()
}

// TestBridgeAddresses: what every place on the default network has in common, and
// which addresses nobody gets.
func TestBridgeAddresses(t *testing.T) {
	usual := slirp.DefaultConfig()
	for i, s := range segments(slirp.DefaultConfig()) {
		if err := (Network{ID: strings.Repeat("0", 64), Name: s.Name, Subnet: s.Subnet, Gateway: s.Gateway, Subnet6: s.Subnet6, Gateway6: s.Gateway6}).check(); err != nil {
			t.Errorf("segment %d: %v", i, err)
		}
		if i > 0 {
			continue
		}
		all := slices.Collect(s.addresses())
		if len(all) != 251 || all[0] != usual.Address.Addr() {
			t.Errorf("%d addresses from %s on", len(all), all[0])
		}
		seen := map[netip.Addr]bool{}
		for _, a := range all {
			if last := a.As4()[3]; seen[a] || !s.Subnet.Contains(a) || last <= 3 || last == 255 {
				t.Errorf("%s is given", a)
			}
			seen[a] = true
		}
		if six := s.numbered6(all[0]).String(); six != "fd00:c0:2::64" || s.Gateway6.String() != "fd00:c0:2::2" {
			t.Errorf("IPv6: %s behind %s", six, s.Gateway6)
		}
	}
}

// TestBridgeAddressIsOnes: whoever comes at the same time, each has an address of its
// own; one that has left, or died, leaves it to the next.
func TestBridgeAddressIsOnes(t *testing.T) {
	n := testNetworks(t)
	const many = 50
	members := make([]*Membership, many)
	var all sync.WaitGroup
	for i := range members {
		all.Go(func() {
			m, err := n.AdmitToBridge(container(i))
			if err != nil {
				t.Error(err)
				return
			}
			members[i] = m
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	owner := map[netip.Addr]int{}
	for i, m := range members {
		if before, ok := owner[m.Self.Addr]; ok {
			t.Errorf("%d and %d are at %s", before, i, m.Self.Addr)
		}
		owner[m.Self.Addr] = i
		if m.HasNames() {
			t.Error("the default network has names")
		}
		// As its link has it.
		if c := m.Link(); c.Address.Addr() != m.Self.Addr || c.Gateway.String() != "10.0.2.2" || c.DNS.String() != "10.0.2.3" || c.Peers == nil || c.Internal {
			t.Errorf("link: %+v", c)
		}
		for _, o := range members {
			p, ok := m.ByAddr(o.Self.Addr)
			if ok != (o != m) || ok && p.MAC != o.Self.MAC {
				t.Errorf("%s finds %s: %v", m.Self.Addr, o.Self.Addr, ok)
			}
		}
	}
	left, died := members[7], members[9]
	if err := left.Leave(); err != nil {
		t.Error(err)
	}
	die(died)
	if _, err := died.Dial(left.Self.MAC); err == nil {
		t.Error("who has left is still called")
	}
	again := []netip.Addr{come(t, n, 100, "").Self.Addr, come(t, n, 101, "").Self.Addr}
	want := []netip.Addr{left.Self.Addr, died.Self.Addr}
	slices.SortFunc(want, netip.Addr.Compare)
	if !slices.Equal(again, want) {
		t.Errorf("the next are at %s, want %s", again, want)
	}
	if o, ok := members[0].ByAddr(died.Self.Addr); !ok || o.MAC != died.Self.MAC {
		t.Error("who came after the dead is not found")
	}
}

// TestBridgeElsewhere: addresses that the host needs are left to it, and who can be
// together is.
func TestBridgeElsewhere(t *testing.T) {
	const taken, docker = "10.0.2.0/24", "172.17.0.0/16"
	for _, c := range []struct{ host, named, want string }{
		{"", "", "10.0.2.100"},
		{"192.168.1.0/24 172.17.0.0/16", "", "10.0.2.100"},
		{taken, "", "172.17.0.2"},
		{"10.0.0.0/8", "", "172.17.0.2"},
		{"10.0.2.7/32", "", "172.17.0.2"},
		{taken + " " + docker, "", "172.18.0.2"},
		{taken + " " + docker, "172.18.0.0/16", "172.19.0.2"},
		{taken, docker, "172.18.0.2"},
		{"10.0.0.0/8 172.16.0.0/12", "", "192.168.0.2"},
		{"10.0.0.0/8 172.16.0.0/12 192.168.0.0/16", "", "10.0.2.100"}, // rather than no address
	} {
		n := testNetworks(t)
		if c.named != "" {
			if _, err := n.Create(t.Context(), CreateOptions{Name: "own", Subnet: netip.MustParsePrefix(c.named)}); err != nil {
				t.Fatal(err)
			}
		}
		m := come(t, n, 1, c.host)
		if got := m.Self.Addr.String(); got != c.want {
			t.Errorf("routes to %q, networks %q: at %s, want %s", c.host, c.named, got, c.want)
		}
		// The next one comes to the same segment, whatever the host's routes are by then.
		for i, host := range []string{"", taken, c.want + "/32"} {
			if next := come(t, n, 2+i, host); !m.Network.Subnet.Contains(next.Self.Addr) || next.Self.Addr == m.Self.Addr {
				t.Errorf("%s is joined at %s", c.want, next.Self.Addr)
			} else if _, ok := next.ByAddr(m.Self.Addr); !ok {
				t.Errorf("%s does not find %s", next.Self.Addr, m.Self.Addr)
			}
		}
	}
	// The dead keep nobody there.
	n := testNetworks(t)
	die(come(t, n, 1, taken))
	if got := come(t, n, 2, "").Self.Addr.String(); got != "10.0.2.100" {
		t.Errorf("after the last one's death: %s", got)
	}
	if list := n.seen(); len(list) != 1 {
		t.Errorf("sockets: %s", list)
	}
}

// TestBridgeIsFull: then there is another segment, whose members do not meet those of the first.
func TestBridgeIsFull(t *testing.T) {
	n := testNetworks(t)
	var here []*Membership
	for i := range 251 {
		m, err := n.claimOne(container(i), nil)
		if err != nil || !segments(slirp.DefaultConfig())[0].Subnet.Contains(m.Self.Addr) {
			t.Fatalf("container %d: %v", i, err)
		}
		here = append(here, m)
	}
	first := here[0]
	for _, m := range here[:2] {
		if err := m.appear(); err != nil {
			t.Fatal(err)
		}
	}
	over, beside := come(t, n, 300, ""), come(t, n, 301, "")
	if over.Self.Addr.String() != "172.17.0.2" || beside.Self.Addr.String() != "172.17.0.3" {
		t.Errorf("beyond the last address: %s, %s", over.Self.Addr, beside.Self.Addr)
	}
	if _, ok := over.ByAddr(first.Self.Addr); ok {
		t.Error("segments meet")
	}
	if _, ok := over.ByAddr(beside.Self.Addr); !ok {
		t.Error("those beyond do not meet")
	}
	if _, err := n.Create(t.Context(), CreateOptions{Name: "same", Subnet: netip.MustParsePrefix("172.17.5.0/24")}); err == nil {
		t.Error("a network with a name has addresses of the default one")
	}
	if err := first.Leave(); err != nil {
		t.Error(err)
	}
	if got := come(t, n, 302, "").Self.Addr; got != first.Self.Addr {
		t.Errorf("with one free again: %s", got)
	}
	for _, m := range here[1:] {
		if err := m.Leave(); err != nil {
			t.Error(err)
		}
	}
}

// TestBridgeHardwareAddress: one that was asked for is found, and not after its owner's
// death.
func TestBridgeHardwareAddress(t *testing.T) {
	n := testNetworks(t)
	asked := MAC{2, 0, 0, 0, 0, 7}
	self := container(1)
	self.MAC = asked
	one, err := n.AdmitToBridge(self)
	if err != nil {
		t.Fatal(err)
	}
	two := come(t, n, 2, "")
	if p, ok := two.ByAddr(one.Self.Addr); !ok || p.MAC != asked || one.Link().MAC != asked {
		t.Errorf("%v at %s", p, one.Self.Addr)
	}
	if c, err := two.Dial(asked); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
	die(one)
	three := come(t, n, 3, "")
	if p, ok := two.ByAddr(three.Self.Addr); three.Self.Addr != one.Self.Addr || !ok || p.MAC != three.Self.MAC || p.MAC == asked {
		t.Errorf("after it %v at %s", p, three.Self.Addr)
	}
}

// TestBridgeWithoutSockets: where there can be none, an address is its owner's all the
// same.
func TestBridgeWithoutSockets(t *testing.T) {
	n := testNetworks(t)
	for _, a := range []string{"10.0.2.100", "10.0.2.101"} {
		if err := os.MkdirAll(n.members(Bridge)+"/"+a+".sock", 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"10.0.2.100", "10.0.2.101"} {
		m, err := n.AdmitToBridge(container(i))
		if err != nil || m.Self.Addr.String() != want || m.Link().Peers != nil {
			t.Fatalf("%v, %v", m, err)
		}
		if err := m.Rename("other"); err != nil {
			t.Error(err)
		}
	}
}

func TestReadRoutes(t *testing.T) {
	word := func(a string) string {
		b := netip.MustParseAddr(a).As4()
		return fmt.Sprintf("%08X", binary.NativeEndian.Uint32(b[:]))
	}
	text := "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	for _, r := range [][2]string{{"0.0.0.0", "0.0.0.0"}, {"128.0.0.0", "128.0.0.0"}, {"10.0.0.0", "255.0.0.0"}, {"192.0.2.0", "255.255.255.0"}, {"172.17.0.9", "255.255.255.255"}} {
		text += "eth0\t" + word(r[0]) + "\t" + word("0.0.0.0") + "\t0001\t0\t0\t0\t" + word(r[1]) + "\t0\t0\t0\n"
	}
	want := prefixes("10.0.0.0/8 192.0.2.0/24 172.17.0.9/32")
	if got := readRoutes(strings.NewReader(text + "\nshort line\n")); !slices.Equal(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
}
