// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"net"
	"strings"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// TestWayOut follows the way out, the name server and the visitors of published
// ports from network to network.
func TestWayOut(t *testing.T) {
	u := newUser(t)
	u.image("python.tar", "python")
	t.Cleanup(func() { u.result("network", "prune", "-f") })
	u.ok("network", "create", "--internal", "inner")
	u.ok("network", "create", "front", "--subnet", "172.29.1.0/24") // flags may stand anywhere
	u.ok("network", "create", "back", "--subnet", "172.29.2.0/24")
	u.ok("run", "-d", "--name", "other", "--network", "back", "python", "sleep", "1000")
	const server = `
import socket, threading
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 7))
    while True: s.sendto(b"udp", s.recvfrom(100)[1])
threading.Thread(target=udp, daemon=True).start()
s = socket.socket(); s.bind(("", 80)); s.listen()
while True:
    c, _ = s.accept(); c.sendall(b"tcp"); c.close()
`
	u.ok("run", "-d", "--name", "moves", "--network", "inner", "--network", "front", "-p", "127.0.0.1::80", "-p", "127.0.0.1::7/udp", "python", "python3", "-c", server)
	tcp, udp := u.ok("port", "moves", "80/tcp"), u.ok("port", "moves", "7/udp")
	answers := func(network, addr string) bool {
		c, err := net.DialTimeout(network, addr, time.Second)
		if err != nil {
			return false
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Second))
		if network == "udp" {
			c.Write([]byte("x"))
		}
		buf := make([]byte, 10)
		n, _ := c.Read(buf)
		return string(buf[:n]) == network
	}
	at := func(where, gateway, name string) {
		t.Helper()
		if got := u.ok("exec", "moves", "cat", "/etc/resolv.conf"); !strings.Contains(got, "nameserver "+name) {
			t.Errorf("%s, the name server is %q", where, got)
		}
		if got := waysOut(u.ok("exec", "moves", "cat", "/proc/net/route")); got != gateway {
			t.Errorf("%s, the way out is %q, want %s", where, got, gateway)
		}
		testutil.Eventually(t, where+": visitors over TCP", func() bool { return answers("tcp", tcp) })
		testutil.Eventually(t, where+": visitors over UDP", func() bool { return answers("udp", udp) })
	}
	at("with an internal network first", "01011DAC", "172.29.1.1")
	u.ok("network", "connect", "--gw-priority", "1", "back", "moves")
	at("after a connection of higher priority", "01021DAC", "172.29.2.1")
	u.ok("exec", "moves", "python3", "-c", "import socket; socket.gethostbyname('other')")
	u.ok("network", "disconnect", "back", "moves")
	at("back on the others", "01011DAC", "172.29.1.1")
	u.ok("network", "disconnect", "front", "moves")
	if got := waysOut(u.ok("exec", "moves", "cat", "/proc/net/route")); got != "" {
		t.Errorf("the internal network is a way out: %s", got)
	}
	u.ok("network", "disconnect", "inner", "moves")
	if got := u.ok("inspect", "-f", "{{len .NetworkSettings.Networks}}{{.NetworkSettings.IPAddress}}", "moves"); got != "0" {
		t.Errorf("without networks: %s", got)
	}
	if answers("tcp", tcp) {
		t.Error("a visitor is led to a container without networks")
	}
	if links := u.ok("exec", "moves", "cat", "/proc/net/dev"); strings.Contains(links, "eth") {
		t.Errorf("interfaces are left: %s", links)
	}
	u.ok("network", "connect", "bridge", "moves")
	at("on the default network", "0202000A", "10.0.2.3")
	u.ok("restart", "-t", "0", "moves")
	tcp, udp = u.ok("port", "moves", "80/tcp"), u.ok("port", "moves", "7/udp")
	at("after a restart", "0202000A", "10.0.2.3")

	u.fails(1, []string{"cannot be disconnected from host network or connected to host network"}, "network", "connect", "host", "moves")
	u.fails(1, []string{"network-scoped aliases are only supported for user-defined networks"}, "network", "connect", "--alias", "x", "bridge", "other")
	u.ok("rm", "-f", "moves")
}

// waysOut are the gateways of default routes in /proc/net/route, whose columns
// are interface, destination and gateway, in hexadecimal digits.
func waysOut(table string) string {
	var list []string
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == "00000000" {
			list = append(list, f[2])
		}
	}
	return strings.Join(list, " ")
}

// TestChangedFilesStay has a container write its own /etc/hosts, which then is
// left alone.
func TestChangedFilesStay(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	t.Cleanup(func() { u.result("network", "prune", "-f") })
	u.ok("network", "create", "app")
	u.ok("run", "-d", "--name", "own", "busybox", "sh", "-c", "echo 192.0.2.9 mine >>/etc/hosts; exec sleep 1000")
	testutil.Eventually(t, "the container has written", func() bool { return strings.Contains(u.ok("exec", "own", "cat", "/etc/hosts"), "mine") })
	u.ok("network", "connect", "app", "own")
	u.ok("network", "disconnect", "bridge", "own")
	testutil.Contains(t, u.ok("exec", "own", "cat", "/etc/hosts"), "192.0.2.9 mine", "10.0.2.100")
	if got := u.ok("exec", "own", "cat", "/etc/resolv.conf"); strings.Contains(got, "10.0.2.3") {
		t.Errorf("the name server of a network that was left: %s", got)
	}
}

// TestHardwareAddress gives containers the hardware addresses that they ask for.
func TestHardwareAddress(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	t.Cleanup(func() { u.result("network", "prune", "-f") })
	const address = "/sys/class/net/eth0/address"
	if got := u.ok("run", "--rm", "--mac-address", "02-42-AC-11-00-99", "busybox", "cat", address); got != "02:42:ac:11:00:99" {
		t.Errorf("on the default network: %s", got)
	}
	u.ok("network", "create", "app")
	one, two := "92:d0:c6:0a:29:33", "92:d0:c6:0a:29:34"
	u.ok(append([]string{"run", "-d", "--name", "one", "--network", "app", "--mac-address", one}, saying("one")...)...)
	u.ok("run", "-d", "--name", "two", "--network", "name=app,mac-address="+two, "busybox", "sleep", "1000")
	u.ok("run", "-d", "--name", "three", "--network", "app", "busybox", "sleep", "1000")
	for _, name := range []string{"two", "three"} {
		testutil.Eventually(t, name+" reaches one", func() bool {
			return strings.TrimSpace(u.result("exec", name, "sh", "-c", "nc -w 2 one 80 </dev/null").Out) == "one"
		})
		testutil.Contains(t, u.ok("exec", name, "cat", "/proc/net/arp"), one)
	}
	for name, want := range map[string]string{"one": one, "two": two} {
		if got := u.ok("inspect", "-f", "{{.NetworkSettings.Networks.app.MacAddress}}", name); got != want {
			t.Errorf("inspect says %s, want %s", got, want)
		}
	}
	testutil.Contains(t, u.ok("network", "inspect", "app"), one, two)
	u.fails(125, []string{"mac address " + one + " is already in use on network app"}, "run", "--rm", "--network", "app", "--mac-address", one, "busybox", "true")
	u.fails(125, []string{"01:00:5e:00:00:01 is not a valid mac address"}, "run", "--rm", "--mac-address", "01:00:5e:00:00:01", "busybox", "true")
	u.ok("restart", "-t", "0", "one")
	if got := u.ok("exec", "one", "cat", address); got != one {
		t.Errorf("after a restart: %s", got)
	}
}
