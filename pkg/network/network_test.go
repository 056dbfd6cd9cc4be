// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"coracle/pkg/state"
)

func testNetworks(t *testing.T) Store { return Store{state.Dirs{Root: t.TempDir()}} }

func TestCreateLookupRemove(t *testing.T) {
	n, ctx := testNetworks(t), context.Background()
	a, err := n.Create(ctx, CreateOptions{Name: "net-a"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := n.Create(ctx, CreateOptions{Name: "net-b"})
	if err != nil || a.Subnet.Overlaps(b.Subnet) {
		t.Errorf("%v %v %v", a.Subnet, b.Subnet, err)
	}
	for _, arg := range []string{"net-a", a.ID, a.ID[:10]} {
		if got, err := n.Lookup(arg); err != nil || got.ID != a.ID {
			t.Errorf("%s: %v %v", arg, got.Name, err)
		}
	}
	if err := n.Remove(ctx, a); err != nil {
		t.Error(err)
	}
	if _, err := n.Lookup("net-a"); err == nil {
		t.Error("a is still there")
	}
}

func TestPoolsAreExhausted(t *testing.T) {
	n, ctx := testNetworks(t), context.Background()
	var err error
	for i := 0; err == nil; i++ {
		if i > len(pools()) {
			t.Fatal("more networks than pools")
		}
		_, err = n.Create(ctx, CreateOptions{Name: "n" + strings.Repeat("x", i)})
	}
	if !strings.Contains(err.Error(), "could not find an available, non-overlapping IPv4 address pool") {
		t.Error(err)
	}
}

func TestAdmitAndAnswer(t *testing.T) {
	n, ctx := testNetworks(t), context.Background()
	w, err := n.Create(ctx, CreateOptions{Name: "net", Subnet: netip.MustParsePrefix("10.9.0.0/24")})
	if err != nil {
		t.Fatal(err)
	}
	admit := func(id, name string, aliases ...string) *Membership {
		m, err := n.Admit(ctx, w, Member{Container: strings.Repeat(id, 64), Name: name, Aliases: aliases})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	one, two := admit("1", "one", "both"), admit("2", "two", "both")
	if one.Self.Addr.String() != "10.9.0.2" || two.Self.Addr.String() != "10.9.0.3" {
		t.Errorf("addresses: %s %s", one.Self.Addr, two.Self.Addr)
	}
	ask := func(name string, kind dnsmessage.Type, only bool) string {
		q := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, RecursionDesired: true}, Questions: []dnsmessage.Question{
			{Name: dnsmessage.MustNewName(name + "."), Type: kind, Class: dnsmessage.ClassINET},
		}}
		packed, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		answer := one.answer(packed, only)
		if answer == nil {
			return "passed on"
		}
		var m dnsmessage.Message
		if err := m.Unpack(answer); err != nil || m.ID != 7 {
			t.Fatalf("%v %v", m, err)
		}
		got := []string{m.RCode.String()}
		for _, r := range m.Answers {
			switch b := r.Body.(type) {
			case *dnsmessage.AResource:
				got = append(got, netip.AddrFrom4(b.A).String())
			case *dnsmessage.PTRResource:
				got = append(got, b.PTR.String())
			}
		}
		return strings.Join(got, " ")
	}
	for _, tt := range []struct {
		name string
		kind dnsmessage.Type
		only bool
		want string
	}{
		{"two", dnsmessage.TypeA, false, "RCodeSuccess 10.9.0.3"},
		{"TWO.net", dnsmessage.TypeA, false, "RCodeSuccess 10.9.0.3"},
		{"both", dnsmessage.TypeA, false, "RCodeSuccess 10.9.0.2 10.9.0.3"},
		{strings.Repeat("2", 12), dnsmessage.TypeA, false, "RCodeSuccess 10.9.0.3"},
		{"two", dnsmessage.TypeAAAA, false, "RCodeSuccess"},
		{"example.org", dnsmessage.TypeA, false, "passed on"},
		{"example.org", dnsmessage.TypeA, true, "RCodeNameError"},
		{"3.0.9.10.in-addr.arpa", dnsmessage.TypePTR, false, "RCodeSuccess two.net."},
		{"4.0.9.10.in-addr.arpa", dnsmessage.TypePTR, false, "passed on"},
	} {
		if got := ask(tt.name, tt.kind, tt.only); got != tt.want {
			t.Errorf("%s %v: %s, want %s", tt.name, tt.kind, got, tt.want)
		}
	}
	if err := n.Remove(ctx, w); err == nil || !strings.Contains(err.Error(), "has active endpoints") {
		t.Errorf("remove: %v", err)
	}
	// Who dies without leaving lets go of the lock; the record goes with it.
	two.lock.Release()
	two.conn.Close()
	if got := ask("two", dnsmessage.TypeA, true); got != "RCodeNameError" {
		t.Errorf("the name of the dead: %s", got)
	}
	if list, err := n.Members(ctx, w); err != nil || len(list) != 1 || list[0].Name != "one" {
		t.Errorf("members: %v %v", list, err)
	}
	if err := one.Leave(); err != nil {
		t.Error(err)
	}
	if err := n.Remove(ctx, w); err != nil {
		t.Error(err)
	}
}

// FuzzAnswer checks that no question harms.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03two\x00\x00\x01\x00\x01"))
	dir := f.TempDir()
	w, err := Store{state.Dirs{Root: dir}}.Create(context.Background(), CreateOptions{Name: "net"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, question []byte) {
		n := Store{state.Dirs{Root: dir}}
		m, err := n.Admit(context.Background(), w, Member{Container: strings.Repeat("2", 64), Name: "two"})
		if err != nil {
			t.Fatal(err)
		}
		m.answer(question, true)
		if err := m.Leave(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestParsePublish(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"80", "any::0-0->80/tcp"},
		{"8080:80", "any::8080-8080->80/tcp"},
		{"8080:80/udp", "any::8080-8080->80/udp"},
		{"127.0.0.1:8080:80", "127.0.0.1::8080-8080->80/tcp"},
		{"127.0.0.1::80", "127.0.0.1::0-0->80/tcp"},
		{"[::1]:8080:80", "::1::8080-8080->80/tcp"},
		{"8000-8001:80-81", "any::8000-8000->80/tcp any::8001-8001->81/tcp"},
		{"8000-8009:80", "any::8000-8009->80/tcp"},
		{"published=8080,target=80,protocol=udp", "any::8080-8080->80/udp"},
		{"target=80", "any::0-0->80/tcp"},
	} {
		list, err := ParsePublish([]string{tt.in})
		var got []string
		for _, p := range list {
			ip := "any"
			if p.HostIP.IsValid() {
				ip = p.HostIP.String()
			}
			got = append(got, ip+"::"+itoa(p.HostPort)+"-"+itoa(p.HostPortEnd)+"->"+itoa(p.ContainerPort)+"/"+p.Proto)
		}
		if s := strings.Join(got, " "); err != nil || s != tt.want {
			t.Errorf("%s: %s %v, want %s", tt.in, s, err, tt.want)
		}
	}
	for in, want := range map[string]string{
		"":               "no port specified",
		"x":              "invalid containerPort: x",
		"70000":          "invalid containerPort",
		"99999:1":        "invalid hostPort: 99999",
		"1:2:3:4":        "invalid hostPort",
		"1.2.3:1:2":      "invalid IP address: 1.2.3",
		"80/icmp":        "invalid proto: icmp",
		"80/sctp":        "not supported",
		"10-20:1-5":      "invalid ranges specified for container and host Ports",
		"5-1:80":         "invalid hostPort",
		"target=80,x=1":  "invalid field key: x",
		"published=8080": "no target port",
		"8080:":          "no port specified",
		"0":              "invalid containerPort",
	} {
		if _, err := ParsePublish([]string{in}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
}

func itoa(n uint16) string { return strconv.Itoa(int(n)) }

func FuzzParsePublish(f *testing.F) {
	for _, s := range []string{"80", "127.0.0.1:8080-8090:80/udp", "[::1]::5", "published=1,target=2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, err := ParsePublish([]string{s})
		for _, p := range list {
			if err == nil && (p.ContainerPort == 0 || p.Proto != "tcp" && p.Proto != "udp" || p.HostPortEnd < p.HostPort) {
				t.Errorf("%q: %+v", s, p)
			}
		}
	})
}

func TestParseExpose(t *testing.T) {
	for in, want := range map[string]string{"80": "80/tcp", "53/UDP": "53/udp", "7-9": "7/tcp 8/tcp 9/tcp", "0": "", "80/foo": "", "x": "", "9-7": ""} {
		list, err := ParseExpose(in)
		if got := strings.Join(list, " "); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q %v, want %q", in, got, err, want)
		}
	}
}

func TestHostsFile(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("172.18.0.2"), netip.MustParseAddr("fd00::2")}
	for name, want := range map[string]string{
		"web": "web", "web.example.com": "web.example.com web", "web.": "web. web", "": "",
	} {
		text := string(HostsFile(name, own, nil))
		for _, a := range own {
			if !strings.Contains(text, "\n"+a.String()+"\t"+want+"\n") {
				t.Errorf("%q: no line of %s in %q", name, a, text)
			}
		}
	}
}

// TestCreateRefuses checks networks that could not be.
func TestCreateRefuses(t *testing.T) {
	n, ctx := testNetworks(t), context.Background()
	for _, tt := range []struct{ subnet, gateway, reserved, words string }{
		{"127.0.0.0/8", "", "", "not addresses of machines"},
		{"224.0.0.0/24", "", "", "not addresses of machines"},
		{"255.255.255.0/24", "", "", "not addresses of machines"},
		{"0.0.0.0/8", "", "", "not addresses of machines"},
		{"0.0.0.0/0", "", "", "not addresses of machines"},
		{"10.9.0.0/30", "", "", "want an IPv4 network with room for members"},
		{"10.9.0.0/29", "10.9.0.0", "", "failed to allocate gateway (10.9.0.0): Address already in use"},
		{"10.9.0.0/29", "10.9.0.7", "", "failed to allocate gateway (10.9.0.7): Address already in use"},
		{"10.9.0.0/29", "10.9.0.3", "10.9.0.3", "failed to allocate gateway (10.9.0.3): Address already in use"},
		{"10.9.0.0/29", "10.9.1.3", "", "not in subnet"},
	} {
		o := CreateOptions{Name: "net", Subnet: netip.MustParsePrefix(tt.subnet)}
		if tt.gateway != "" {
			o.Gateway = netip.MustParseAddr(tt.gateway)
		}
		if tt.reserved != "" {
			o.Aux = map[string]netip.Addr{"router": netip.MustParseAddr(tt.reserved)}
		}
		if _, err := n.Create(ctx, o); err == nil || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%v: %v", tt, err)
		}
	}
	if list, err := n.List(); err != nil || len(list) > 0 {
		t.Errorf("left behind: %v %v", list, err)
	}
}

// TestReservedIsForNobody checks addresses that were kept out of the network.
func TestReservedIsForNobody(t *testing.T) {
	n, ctx := testNetworks(t), context.Background()
	reserved := []netip.Addr{netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.3")}
	o := CreateOptions{Name: "net", Subnet: netip.MustParsePrefix("10.9.0.0/24"), Aux: map[string]netip.Addr{"a": reserved[0], "b": reserved[1]}}
	w, err := n.Create(ctx, o)
	if err != nil || w.Gateway.String() != "10.9.0.2" {
		t.Fatalf("the gateway is %s: %v", w.Gateway, err)
	}
	if w, err = n.Lookup("net"); err != nil || w.Aux["b"] != reserved[1] {
		t.Fatalf("names are lost: %v, %v", w.Aux, err)
	}
	w.Aux, w.Reserved = nil, reserved // a record of before they had names
	for _, a := range reserved {
		if _, err := w.assign(nil, Member{Addr: a}); err == nil || err.Error() != "Address already in use" {
			t.Errorf("%s: %v", a, err)
		}
	}
	if m, err := w.assign(nil, Member{}); err != nil || m.Addr.String() != "10.9.0.4" {
		t.Errorf("the first member has %s: %v", m.Addr, err)
	}
}

// TestNames checks what a member is found by.
func TestNames(t *testing.T) {
	n, ctx := testNetworks(t), context.Background()
	w, err := n.Create(ctx, CreateOptions{Name: "app"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := n.Admit(ctx, w, Member{Container: strings.Repeat("a", 64), Name: "web", Hostname: "Host.app", Aliases: []string{"www", "web"},
		Links: []string{"web:linked", "aaaaaaaaaaaa:short", strings.Repeat("a", 64) + ":long", "gone:gone", "www"}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Leave()
	other, err := n.Admit(ctx, w, Member{Container: strings.Repeat("b", 64), Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Leave()
	for name, want := range map[string]int{"linked": 1, "LINKED.app": 1, "short": 1, "long": 1, "gone": 0} {
		if got := len(m.lookup(name)); got != want {
			t.Errorf("link %q: found %d, want %d", name, got, want)
		}
		if got := len(other.lookup(name)); got != 0 {
			t.Errorf("link %q is for others, too", name)
		}
	}
	if got, want := strings.Join(m.Self.Names(), " "), "web www aaaaaaaaaaaa Host.app"; got != want {
		t.Errorf("names: %s, want %s", got, want)
	}
	for name, want := range map[string]int{"web": 1, "WWW.app": 1, "www": 1, "aaaaaaaaaaaa": 1, "host.app": 1, "host.app.app": 1, "host": 0, "": 0, "app": 0} {
		if got := len(m.lookup(name)); got != want {
			t.Errorf("%q: found %d, want %d", name, got, want)
		}
	}
}

func TestResolvConf(t *testing.T) {
	host := []byte("# comment\nnameserver 192.0.2.53\nnameserver\nsearch before.example\ndomain example.org\noptions ndots:2\noptions edns0")
	for _, tt := range []struct {
		proxy  netip.Addr
		dns    []string
		search []string
		want   string
	}{
		{netip.MustParseAddr("10.0.2.3"), nil, nil, "nameserver 10.0.2.3\nsearch example.org\noptions ndots:2 edns0\n"},
		{netip.Addr{}, nil, nil, "nameserver 192.0.2.53\nsearch example.org\noptions ndots:2 edns0\n"},
		{netip.MustParseAddr("10.0.2.3"), []string{"9.9.9.9"}, []string{"."}, "nameserver 9.9.9.9\noptions ndots:2 edns0\n"},
	} {
		if got := string(ResolvConf(tt.proxy, tt.dns, tt.search, nil, host)); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestParseAddHosts(t *testing.T) {
	list, err := ParseAddHosts([]string{"a:1.2.3.4", "b=::1", "c:[::2]", "d:host-gateway"})
	if err != nil || len(list) != 4 || list[1].Addr.String() != "::1" || list[2].Addr.String() != "::2" || !list[3].HostGateway {
		t.Errorf("%+v %v", list, err)
	}
	for _, bad := range []string{"", "a", ":1.2.3.4", "a:b", "a b:1.2.3.4"} {
		if _, err := ParseAddHosts([]string{bad}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestReversed(t *testing.T) {
	for name, want := range map[string]string{
		"2.0.18.172.in-addr.arpa": "172.18.0.2",
		"1.0.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.5.4.3.2.1.d.f.ip6.arpa": "fd12:3456::501",
		"x.0.18.172.in-addr.arpa": "", "18.172.in-addr.arpa": "", "in-addr.arpa": "", "ip6.arpa": "", "1.0.ip6.arpa": "", "web": "",
		"1.0.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0x6.5.4.3.2.1.d.f.ip6.arpa": "",
	} {
		if got, ok := reversed(name); ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s: %s %v, want %q", name, got, ok, want)
		}
	}
}
