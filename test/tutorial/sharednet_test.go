// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"net"
	"strings"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// TestNetworkOfAnotherContainer has containers on the network of one that runs.
func TestNetworkOfAnotherContainer(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	one := u.ok("run", "-d", "--name", "one", "--hostname", "first", "-p", "127.0.0.1::80", "busybox", "httpd", "-f", "-p", "127.0.0.1:8000", "-h", "/etc")
	two := u.ok("run", "-d", "--name", "two", "--network", "container:one", "busybox", "httpd", "-f", "-p", "80", "-h", "/etc")

	// One network namespace, and the names that belong to it.
	testutil.Eventually(t, "the servers reach each other", func() bool {
		a := u.result("exec", "two", "wget", "-qO-", "http://127.0.0.1:8000/hostname")
		b := u.result("exec", "one", "wget", "-qO-", "http://localhost/hostname")
		return a.Out == "first\n" && b.Out == "first\n"
	})
	ns := u.ok("exec", "one", "readlink", "/proc/self/ns/net")
	if got := u.ok("exec", "two", "readlink", "/proc/self/ns/net"); got != ns {
		t.Errorf("network namespaces %s and %s", ns, got)
	}
	for _, kind := range []string{"pid", "mnt", "ipc"} {
		path := "/proc/self/ns/" + kind
		if a, b := u.ok("exec", "one", "readlink", path), u.ok("exec", "two", "readlink", path); a == b {
			t.Errorf("%s namespaces are the same: %s", kind, a)
		}
	}
	// What one publishes leads to two's server.
	testutil.Contains(t, get(t, "http://"+strings.Fields(u.ok("port", "one", "80/tcp"))[0]+"/hostname"), "first")
	if got := u.ok("inspect", "-f", "{{.HostConfig.NetworkMode}} {{.Config.Hostname}}", "two"); got != "container:"+one+" first" {
		t.Errorf("inspect: %q", got)
	}
	// Who shares with two shares with one.
	if got := u.ok("run", "--rm", "--network", "container:"+two[:12], "busybox", "readlink", "/proc/self/ns/net"); got != ns {
		t.Errorf("through two: %s, want %s", got, ns)
	}
	// Both are restarted together, in whatever order they are named.
	u.ok("restart", "-t", "0", "two", "one")
	testutil.Eventually(t, "the servers reach each other again", func() bool {
		return u.result("exec", "one", "wget", "-qO-", "http://localhost/hostname").Out == "first\n"
	})

	run := func(args ...string) []string {
		return append(append([]string{"run", "--rm", "--network", "container:one"}, args...), "busybox", "true")
	}
	u.fails(125, []string{"conflicting options: hostname and the network mode"}, run("--hostname", "x")...)
	u.fails(125, []string{"conflicting options: dns and the network mode"}, run("--dns", "192.0.2.1")...)
	u.fails(125, []string{"conflicting options: custom host-to-IP mapping and the network mode"}, run("--add-host", "a:192.0.2.1")...)
	u.fails(125, []string{"conflicting options: port publishing and the container type network mode"}, run("-p", "80:80")...)
	u.fails(125, []string{"conflicting options: port exposing and the container type network mode"}, run("--expose", "80")...)
	u.fails(125, []string{"No such container: nobody"}, "run", "--network", "container:nobody", "busybox", "true")
	u.fails(125, []string{"invalid container format container:<name|id>"}, "run", "--network", "container:", "busybox", "true")
	u.ok("network", "create", "other")
	t.Cleanup(func() { u.result("network", "prune", "-f") })
	u.fails(1, []string{"cannot be connected to any other network"}, "network", "connect", "other", "two")
	u.ok("stop", "-t", "0", "two", "one")
	u.fails(1, []string{"cannot join network of a non running container: " + one}, "start", "two")
	if got := u.ok("ps", "-q"); got != "" {
		t.Errorf("still running: %s", got)
	}
}

// TestPublishUDP asks a server in a container over UDP.
func TestPublishUDP(t *testing.T) {
	u := newUser(t)
	u.image("python.tar", "python")
	u.ok("run", "-d", "--name", "echo", "-p", "127.0.0.1::7/udp", "python", "python", "-c",
		"import socket\ns = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 7))\nwhile True: data, who = s.recvfrom(9999); s.sendto(data + who[0].encode(), who)")
	at := strings.Fields(u.ok("port", "echo", "7/udp"))[0]
	c, err := net.Dial("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	testutil.Eventually(t, "the server answers", func() bool {
		b := make([]byte, 64)
		_, werr := c.Write([]byte("hello"))
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		n, err := c.Read(b)
		return werr == nil && err == nil && string(b[:n]) == "hello10.0.2.2" // a visitor from the host itself
	})
	u.fails(125, []string{"Bind for " + at + " failed: port is already allocated"}, "run", "--rm", "-p", at+":7/udp", "python", "true")
	u.ok("rm", "-f", "echo")
	if l, err := net.ListenPacket("udp", at); err != nil {
		t.Errorf("the port is not free: %v", err)
	} else {
		l.Close()
	}
}
