// SPDX-License-Identifier: Apache-2.0

package isolation

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// TestN7_CounterfeitFrames has a container with the capabilities that each has send
// frames in the names of others: neighbours, the gateway, the host, a router, a
// switch. Nobody hears one, nobody believes one.
func TestN7_CounterfeitFrames(t *testing.T) {
	need(t)
	name := network(t, "--ipv6")
	host := listenHost(t, "127.0.0.1", "::1")
	probe := func(id string, args ...string) string {
		t.Helper()
		return ok(t, append([]string{"exec", id, "/probe", "probe", "net"}, args...)...)
	}
	at := func(id, field string) string {
		t.Helper()
		return ok(t, "inspect", "-f", fmt.Sprintf("{{range .NetworkSettings.Networks}}{{.%s}}{{end}}", field), id)
	}
	server := service(t, append(probing(), "--network", name, "box", "/probe", "probe", "net", "serve", "80")...)
	address := at(server, "IPAddress")
	sniffer := func(options ...string) string {
		return service(t, append(append(probing(), options...), "box", "/probe", "probe", "net", "sniff")...)
	}
	victim, apart := sniffer("--network", name), sniffer()
	for _, id := range []string{victim, apart} {
		testutil.Eventually(t, "it listens", func() bool { return strings.Contains(try(t, "logs", id).Out, "listening") })
	}
	// What they believe, once they have talked to each other.
	testutil.Eventually(t, "the network works", func() bool {
		return strings.Contains(try(t, "exec", victim, "/probe", "probe", "net", "dial", "tcp|"+address+":80").Out, "connected ")
	})
	ok(t, "exec", victim, "ping", "-c", "1", "-W", "5", at(victim, "Gateway"))
	before, hostBefore := probe(victim, "tables"), hostTables(t)

	// Each attacks whom it can reach.
	neighbour := ""
	for what, c := range map[string]struct {
		options []string
		prey    string
	}{"named": {[]string{"--network", name}, victim}, "default": {nil, apart}} {
		attacker := service(t, append(append(probing(), c.options...), "box", "sleep", "1000")...)
		if c.prey == victim {
			neighbour = attacker
		}
		ok(t, "exec", attacker, "ping", "-c", "1", "-W", "5", at(attacker, "Gateway"))
		txBefore := sentFrames(t, attacker)
		said := probe(attacker, "spoof", at(c.prey, "MacAddress"), at(c.prey, "IPAddress"), orNone(at(c.prey, "GlobalIPv6Address")),
			at(attacker, "Gateway"), orNone(at(c.prey, "IPv6Gateway")), orNone(at(attacker, "GlobalIPv6Address")))
		sent, err := strconv.Atoi(strings.TrimPrefix(said, "sent "))
		if err != nil || sent < 1000 || sentFrames(t, attacker)-txBefore < sent {
			t.Fatalf("%s: the attack did not run: %s, %d frames went out", what, said, sentFrames(t, attacker)-txBefore)
		}
		ok(t, "exec", attacker, "ping", "-c", "1", "-W", "5", at(attacker, "Gateway")) // whoever carries its frames has seen them all
	}
	// An honest frame behind the others has come, and so the others had the time to. Like
	// every frame it may be lost where many come at once.
	testutil.Eventually(t, "an honest frame comes", func() bool {
		probe(neighbour, "last", at(victim, "IPAddress")+":9")
		return strings.Contains(try(t, "logs", victim).Out, "that was all")
	})
	probe(apart, "last", at(apart, "Gateway")+":9")
	testutil.Eventually(t, "its own frame is heard", func() bool { return strings.Contains(try(t, "logs", apart).Out, "that was all") })
	for what, id := range map[string]string{"a neighbour": victim, "one on the default network": apart} {
		if heard := try(t, "logs", id).Out; strings.Contains(heard, "heard") {
			t.Errorf("%s has heard:\n%s", what, heard)
		}
	}
	host.silent(t, "counterfeits")
	if after := hostTables(t); after != hostBefore {
		t.Errorf("the host believes\n%s\nand not any more\n%s", after, hostBefore)
	}
	bystander := service(t, append(probing(), "--network", name, "box", "sleep", "1000")...)
	if seen := probe(bystander, "dial", "tcp|"+address+":80"); !strings.HasSuffix(seen, "connected "+at(bystander, "IPAddress")) {
		t.Errorf("a visitor is seen as %s", seen)
	}
	after := probe(victim, "tables")
	for line := range strings.Lines(after) {
		f := strings.Fields(line)
		if f[0] != "neighbour" && !strings.Contains(before, strings.TrimSpace(line)) {
			t.Errorf("the victim believes %s and did not before:\n%s", line, before)
		}
		if ip := net.ParseIP(f[1]).To4(); f[0] == "neighbour" && f[2] != (net.HardwareAddr{2, 0x42, ip[0], ip[1], ip[2], ip[3]}).String() {
			t.Errorf("the victim believes %s", line)
		}
	}
	if !strings.Contains(after, "neighbour "+at(victim, "Gateway")) {
		t.Errorf("the victim knows no gateway:\n%s", after)
	}
}

func hostTables(t *testing.T) string {
	t.Helper()
	text, err := tables()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// sentFrames is how many frames a container has put on its wire.
func sentFrames(t *testing.T, id string) int {
	t.Helper()
	n, err := strconv.Atoi(ok(t, "exec", id, "cat", "/sys/class/net/eth0/statistics/tx_packets"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func orNone(s string) string { return cmp.Or(s, "-") }
