// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// TestNamedNetwork has the tutorial's application count its visits in a real
// redis-server, called redis, on a network of their own.
func TestNamedNetwork(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.image("python.tar", "python:3-slim")
	u.image("redis.tar", "redis:7")
	u.ok("build", "-q", "-t", "friendlyhello", filepath.Join(u.fixture("examples"), "friendlyhello"))
	u.ok("network", "create", "app")
	t.Cleanup(func() { u.result("network", "prune", "-f") })
	u.ok("run", "-d", "--name", "redis", "--network", "app", "--network-alias", "store", "redis:7", "redis-server", "--protected-mode", "no", "--save", "")
	u.ok("run", "-d", "--name", "web", "--network", "app", "-p", "127.0.0.1::5000", "friendlyhello")
	url := "http://" + strings.Fields(u.ok("port", "web", "5000/tcp"))[0] + "/status"
	testutil.Eventually(t, "redis counts", func() bool { return strings.Contains(get(t, url), "visits: 1\n") })
	testutil.Contains(t, get(t, url), "visits: 2\n")

	id := u.ok("inspect", "-f", "{{.Id}}", "redis")
	for _, name := range []string{"redis", "store", "STORE", "redis.app", id[:12]} {
		if got := u.ok("run", "--rm", "--network", "app", "busybox", "sh", "-c", "echo PING | nc "+name+" 6379"); got != "+PONG" {
			t.Errorf("%s: %q", name, got)
		}
	}
	// Nobody else gets there, neither by name nor by address.
	addr := u.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "redis")
	u.ok("network", "create", "--internal", "other")
	for _, network := range []string{"bridge", "other"} {
		for _, dst := range []string{"redis", addr} {
			r := u.result("run", "--rm", "--network", network, "busybox", "sh", "-c", "echo PING | nc -w 2 "+dst+" 6379")
			if strings.Contains(r.Out, "PONG") {
				t.Errorf("from network %s: %s answers", network, dst)
			}
		}
	}
	u.fails(1, []string{"has active endpoints"}, "network", "rm", "app")

	// A member that is killed harms nobody, and its record disappears.
	pid := u.ok("inspect", "-f", "{{.State.Pid}}", "web")
	if err := syscall.Kill(parent(t, pid), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the record of the dead is gone", func() bool {
		var list []struct{ Containers map[string]any }
		if err := json.Unmarshal([]byte(u.ok("network", "inspect", "app")), &list); err != nil {
			t.Fatal(err)
		}
		return len(list[0].Containers) == 1
	})
	if got := u.ok("run", "--rm", "--network", "app", "busybox", "sh", "-c", "echo 'GET visits' | nc redis 6379"); !strings.HasSuffix(got, "2") {
		t.Errorf("after a member was killed: %q", got)
	}
}

// TestConnect has a container on two networks, from the start and by connect.
func TestConnect(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	t.Cleanup(func() { u.result("network", "prune", "-f") })
	for _, n := range []string{"front", "back"} {
		u.ok("network", "create", n)
		u.ok(append([]string{"run", "-d", "--name", "on-" + n, "--network", n}, saying("this is "+n)...)...)
	}
	ask := func(from, whom string) string {
		r := u.result("exec", from, "sh", "-c", "nc -w 2 "+whom+" 80 </dev/null")
		return strings.TrimSpace(r.Out)
	}
	u.ok("run", "-d", "--name", "both", "--network", "front", "--network", "back", "busybox", "sleep", "1000")
	for _, n := range []string{"front", "back"} {
		testutil.Eventually(t, "both reaches "+n, func() bool { return ask("both", "on-"+n) == "this is "+n })
	}
	if got := ask("on-front", "on-back"); got != "" {
		t.Errorf("front reaches back: %q", got)
	}
	u.ok("network", "connect", "--alias", "other", "front", "on-back")
	for _, name := range []string{"on-back", "other"} {
		testutil.Eventually(t, "front reaches "+name, func() bool { return ask("on-front", name) == "this is back" })
	}
	testutil.Contains(t, u.ok("ps", "--format", "{{.Names}} {{.Networks}}"), "on-back back,front", "both front,back")
	id := u.ok("network", "inspect", "-f", "{{.Id}}", "front")
	for _, v := range []string{"front", id, id[:12]} {
		if got := strings.Fields(u.ok("ps", "--format", "{{.Names}}", "-f", "network="+v)); len(got) != 3 {
			t.Errorf("on network %s: %v", v, got)
		}
	}
	u.ok("network", "create", "idle")
	if got := u.ok("network", "ls", "--format", "{{.Name}}", "-f", "dangling=true"); got != "idle" {
		t.Errorf("networks that nobody uses: %q", got)
	}
	u.ok("network", "disconnect", "front", "on-back")
	if got := ask("on-front", "on-back"); got != "" {
		t.Errorf("after disconnect: %q", got)
	}
	u.fails(1, []string{"is not connected to network front"}, "network", "disconnect", "front", "on-back")
	u.fails(1, []string{"already exists in network front"}, "network", "connect", "front", "both")
}

// TestManyConnections has 5,000 visitors of one published port at a time, all of
// whom are answered.
func TestManyConnections(t *testing.T) {
	const visitors = 5000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max < 4*visitors {
		t.Skipf("a process may have %d descriptors here: too few", limit.Max)
	}
	u := newUser(t)
	u.image("python.tar", "python")
	server := `
import asyncio
async def echo(r, w):
    while data := await r.read(100):
        w.write(data); await w.drain()
    w.close()
async def main():
    await (await asyncio.start_server(echo, "", 80, backlog=4096)).serve_forever()
asyncio.run(main())
`
	u.ok("run", "-d", "--name", "server", "--ulimit", fmt.Sprint("nofile=", 2*visitors), "-p", "127.0.0.1::80", "python", "python3", "-c", server)
	addr := strings.Fields(u.ok("port", "server", "80/tcp"))[0]
	echo := func(c net.Conn) error {
		buf := make([]byte, 1)
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_, err := io.ReadFull(c, buf)
		return err
	}
	testutil.Eventually(t, "the server answers", func() bool {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		defer c.Close()
		return echo(c) == nil
	})
	errs := make(chan error, visitors)
	all := make(chan struct{}) // closed when all have been answered once
	slots := make(chan struct{}, 250)
	for range visitors {
		go func() {
			slots <- struct{}{}
			c, err := net.Dial("tcp", addr)
			if err == nil {
				err = echo(c)
			}
			<-slots
			errs <- err
			if err == nil {
				<-all
				c.Close()
			}
		}()
	}
	failed := 0
	for range visitors {
		if err := <-errs; err != nil {
			failed++
			t.Log(err)
		}
	}
	close(all)
	if failed > 0 {
		t.Errorf("%d of %d visitors were not answered", failed, visitors)
	}
}

// TestNetworkMistakes checks words for networks.
func TestNetworkMistakes(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("network", "create", "--subnet", "10.77.0.0/29", "small")
	t.Cleanup(func() { u.result("network", "prune", "-f") })
	for _, tt := range []struct {
		words string
		args  []string
	}{
		{"network with name small already exists", []string{"network", "create", "small"}},
		{"Pool overlaps with other one on this address space", []string{"network", "create", "--subnet", "10.77.0.0/16", "x"}},
		{"invalid CIDR block notation", []string{"network", "create", "--subnet", "10.77/16", "x"}},
		{"operation is not permitted on predefined bridge network", []string{"network", "create", "bridge"}},
		{"bridge is a pre-defined network and cannot be removed", []string{"network", "rm", "bridge"}},
		{"network nosuch not found", []string{"network", "rm", "nosuch"}},
		{"network nosuch not found", []string{"network", "inspect", "nosuch"}},
		{`only one instance of "host" network is allowed`, []string{"network", "create", "-d", "host", "x"}},
		{"failed to allocate gateway (10.78.0.0): Address already in use", []string{"network", "create", "--subnet", "10.78.0.0/24", "--gateway", "10.78.0.0", "x"}},
		{`plugin "overlay" not found`, []string{"network", "create", "-d", "overlay", "x"}},
	} {
		u.fails(1, []string{tt.words}, tt.args...)
	}
	u.ok("network", "create", "--subnet", "10.78.0.0/24,fd00:78::/64", "--gateway", "10.78.0.9,fd00:78::9", "both")
	if got := u.ok("network", "inspect", "-f", "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}} {{end}}", "both"); strings.TrimSpace(got) != "10.78.0.0/24 10.78.0.9 fd00:78::/64 fd00:78::9" {
		t.Errorf("with commas: %s", got)
	}
	if got := u.ok("network", "rm", "-f", "nosuch", "both"); got != "both" {
		t.Errorf("rm -f of one that is not there: %q", got)
	}
	u.fails(125, []string{"invalid hostname: a\nb"}, "run", "--rm", "--hostname", "a\nb", "busybox", "true")
	u.fails(125, []string{"invalid domainname: a\nb"}, "run", "--rm", "--domainname", "a\nb", "busybox", "true")
	if got := u.ok("run", "--rm", "--network", "none", "--dns", "192.0.2.53", "busybox", "cat", "/etc/resolv.conf"); got != "nameserver 192.0.2.53" {
		t.Errorf("resolv.conf without a network: %q", got)
	}
	u.fails(125, []string{"does not belong to subnet"}, "run", "--rm", "--network", "small", "--ip", "10.78.0.2", "busybox", "true")
	u.fails(125, []string{"user specified IP address is supported on user defined networks only"}, "run", "--rm", "--ip", "10.0.2.5", "busybox", "true")
	u.ok("run", "-d", "--network", "small", "--ip", "10.77.0.5", "busybox", "sleep", "1000")
	u.fails(125, []string{"Address already in use"}, "run", "--rm", "--network", "small", "--ip", "10.77.0.5", "busybox", "true")
	for range 4 { // 2, 3, 4 and 6: a /29 has five places beside the gateway
		u.ok("run", "-d", "--network", "small", "busybox", "sleep", "1000")
	}
	u.fails(125, []string{"no available IPv4 addresses on network small"}, "run", "--rm", "--network", "small", "busybox", "true")
}
