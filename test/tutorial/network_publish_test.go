// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// web are the arguments of a server that says on each of the ports which it is.
func web(ports ...string) []string {
	script := ""
	for _, p := range ports {
		script += fmt.Sprintf("mkdir /%s; echo port %s >/%s/x; httpd -p %s -h /%s; ", p, p, p, p, p)
	}
	return []string{"busybox", "sh", "-c", script + "exec sleep 1000"}
}

// addresses are where a container's port is published, as port prints them.
func (u *user) addresses(name, port string) []string {
	u.t.Helper()
	return strings.Fields(u.ok("port", name, port))
}

// serves checks that the container's port answers at an address of the host.
func serves(t *testing.T, addr, port string) {
	t.Helper()
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	switch host { // everywhere, the host's loopback with it
	case "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	if got := get(t, "http://"+net.JoinHostPort(host, p)+"/x"); got != "port "+port+"\n" {
		t.Errorf("%s says %q, want port %s", addr, got, port)
	}
}

// TestPublishAll publishes what an image and the command line expose.
func TestPublishAll(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.write("web/Dockerfile", "FROM busybox\nEXPOSE 80 8001-8002/tcp\n")
	u.ok("build", "-q", "-t", "web", u.home+"/web")
	args := web("80", "8001", "8002", "9000")
	args[0] = "web"
	u.ok(append([]string{"run", "-d", "--name", "all", "-P", "--expose", "9000", "-p", "127.0.0.1::8001"}, args...)...)
	for _, port := range []string{"80", "8002", "9000"} {
		list := u.addresses("all", port)
		if len(list) == 0 || !strings.HasPrefix(list[0], "0.0.0.0:") || len(list) > 2 || len(list) == 2 && !strings.HasPrefix(list[1], "[::]:") {
			t.Errorf("port %s is published at %v", port, list)
		}
		for _, addr := range list {
			serves(t, addr, port)
		}
	}
	// -p goes before -P.
	list := u.addresses("all", "8001/tcp")
	if len(list) != 1 || !strings.HasPrefix(list[0], "127.0.0.1:") {
		t.Errorf("port 8001 is published at %v", list)
	}
	serves(t, list[0], "8001")
	for _, line := range strings.Split(u.ok("port", "all"), "\n") {
		if port, addr, ok := strings.Cut(line, "/tcp -> "); !ok || u.addresses("all", port)[0] != addr && u.addresses("all", port)[1] != addr {
			t.Errorf("port says %q", line)
		}
	}
	u.fails(1, []string{"no public port '81' published for all"}, "port", "all", "81")
	u.fails(1, []string{"no public port '80/udp' published for all"}, "port", "all", "80/udp")

	// Exposed alone is not published, and is shown so.
	u.ok(append([]string{"run", "-d", "--name", "exposed", "--expose", "9000"}, args...)...)
	if got := u.ok("port", "exposed"); got != "" {
		t.Errorf("port of what is exposed: %q", got)
	}
	testutil.Contains(t, u.ok("ps", "-f", "name=exposed", "--format", "{{.Ports}}"), "80/tcp", "8001-8002/tcp", "9000/tcp")
}

// TestPublishForms publishes ranges, at an address of the host, and at random
// ports.
func TestPublishForms(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	first := testutil.FreePorts(t, 5)
	options := []string{
		"-p", fmt.Sprintf("%d-%d:80-82", first, first+2), // one for one
		"-p", fmt.Sprintf("127.0.0.1:%d-%d:83", first+3, first+4), // any of them
		"-p", "127.0.0.1::84", // any at all
		"--publish", "target=85,host_ip=127.0.0.1",
	}
	args := append([]string{"run", "-d", "--name", "forms"}, options...)
	u.ok(append(args, web("80", "81", "82", "83", "84", "85")...)...)
	for i := range 3 {
		for _, addr := range u.addresses("forms", strconv.Itoa(80+i)) {
			if !strings.HasSuffix(addr, fmt.Sprint(":", first+i)) {
				t.Errorf("port %d of the range is at %s", 80+i, addr)
			}
			serves(t, addr, strconv.Itoa(80+i))
		}
	}
	if got := u.addresses("forms", "83"); len(got) != 1 || got[0] != fmt.Sprint("127.0.0.1:", first+3) {
		t.Errorf("the first free port of a range: %v", got)
	}
	for _, port := range []string{"83", "84", "85"} {
		addr := u.addresses("forms", port)[0]
		if !strings.HasPrefix(addr, "127.0.0.1:") {
			t.Errorf("port %s is at %s", port, addr)
		}
		serves(t, addr, port)
		// Nobody listens at the host's other addresses.
		_, p, _ := net.SplitHostPort(addr)
		if c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.2", p)); err == nil {
			c.Close()
			t.Errorf("port %s is published at 127.0.0.2, too", port)
		}
	}
	testutil.Contains(t, u.ok("ps", "--format", "{{.Ports}}"), fmt.Sprintf("0.0.0.0:%d->80/tcp, [::]:%[1]d->80/tcp, 0.0.0.0:%d->81/tcp", first, first+1), fmt.Sprintf("127.0.0.1:%d->83/tcp", first+3))
	var ports map[string][]struct{ HostIp, HostPort string }
	if err := json.Unmarshal([]byte(u.ok("inspect", "-f", "{{json .NetworkSettings.Ports}}", "forms")), &ports); err != nil {
		t.Fatal(err)
	}
	if p := ports["83/tcp"]; len(p) != 1 || p[0].HostIp != "127.0.0.1" || p[0].HostPort != strconv.Itoa(first+3) {
		t.Errorf("inspect: %v", ports)
	}

	u.publishesNext(first)

	// Where they are is free again with their container, and a stopped one that is
	// started has them back.
	u.ok("stop", "-t", "0", "forms")
	if c, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", first)); err == nil {
		c.Close()
		t.Error("a stopped container's port is open")
	}
	u.ok("start", "forms")
	for _, addr := range u.addresses("forms", "80") {
		serves(t, addr, "80")
	}
}

// publishesNext has another container find the next port of a range, and a third
// none.
func (u *user) publishesNext(first int) {
	u.t.Helper()
	next := fmt.Sprintf("127.0.0.1:%d-%d:83", first+3, first+4)
	u.ok(append([]string{"run", "-d", "--name", "next", "-p", next}, web("83")...)...)
	if got := u.addresses("next", "83"); got[0] != fmt.Sprint("127.0.0.1:", first+4) {
		u.t.Errorf("the second free port of a range: %v", got)
	}
	serves(u.t, u.addresses("next", "83")[0], "83")
	u.fails(125, []string{"port is already allocated"}, "run", "--rm", "-p", next, "busybox", "true")
	u.fails(125, []string{"port is already allocated"}, "run", "--rm", "-p", fmt.Sprint(first, ":80"), "busybox", "true")
}

// TestPublishIPv6 publishes at an IPv6 address alone.
func TestPublishIPv6(t *testing.T) {
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skipf("no IPv6: %v", err)
	} else {
		l.Close()
	}
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok(append([]string{"run", "-d", "--name", "six", "-p", "[::1]::80"}, web("80")...)...)
	list := u.addresses("six", "80")
	if len(list) != 1 || !strings.HasPrefix(list[0], "[::1]:") {
		t.Fatalf("published at %v", list)
	}
	serves(t, list[0], "80")
	if c, err := net.Dial("tcp", strings.Replace(list[0], "[::1]", "127.0.0.1", 1)); err == nil {
		c.Close()
		t.Error("published over IPv4, too")
	}
}

// TestPublishMistakes checks words for forms that are none.
func TestPublishMistakes(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	for form, words := range map[string]string{
		"x":                "invalid containerPort: x",
		"80:":              "no port specified",
		"70000:80":         "invalid hostPort: 70000",
		"1.2.3:80:80":      "invalid IP address: 1.2.3",
		"8000-8001:80-82":  "invalid ranges specified for container and host Ports",
		"80/icmp":          "invalid proto: icmp",
		"198.51.100.9::80": "cannot assign requested address",
	} {
		u.fails(125, []string{words}, "run", "--rm", "-p", form, "busybox", "true")
	}
}
