// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// withRedis makes an image with the distribution's redis-server in it.
func (u *user) withRedis(name string) {
	u.t.Helper()
	server, err := exec.LookPath("redis-server")
	if err != nil {
		u.t.Skip("redis-server is not installed")
	}
	libs, err := exec.Command("ldd", server).Output()
	if err != nil {
		u.t.Skipf("ldd %s: %v", server, err)
	}
	dockerfile := "FROM busybox\n"
	files := []string{server}
	for _, f := range strings.Fields(string(libs)) {
		if strings.HasPrefix(f, "/") {
			files = append(files, f)
		}
	}
	for i, f := range files {
		dst := "redis/" + strconv.Itoa(i)
		if out, err := exec.Command("cp", "-L", f, u.write(dst, "")).CombinedOutput(); err != nil {
			u.t.Fatalf("cp: %s", out)
		}
		dockerfile += "COPY --chmod=0755 " + strconv.Itoa(i) + " " + f + "\n"
	}
	u.write("redis/Dockerfile", dockerfile+"CMD [\""+server+"\", \"--protected-mode\", \"no\", \"--save\", \"\"]\n")
	u.ok("build", "-q", "-t", name, filepath.Join(u.home, "redis"))
}

// TestNamedNetwork has the tutorial's application count its visits in a real
// redis-server, called redis, on a network of their own.
func TestNamedNetwork(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.image("python.tar", "python:3-slim")
	u.withRedis("redis-server")
	u.ok("build", "-q", "-t", "friendlyhello", filepath.Join(u.fixture("examples"), "friendlyhello"))
	u.ok("network", "create", "app")
	t.Cleanup(func() { u.result("network", "prune", "-f") })
	u.ok("run", "-d", "--name", "redis", "--network", "app", "--network-alias", "store", "redis-server")
	u.ok("run", "-d", "--name", "web", "--network", "app", "-p", "127.0.0.1::5000", "friendlyhello")
	url := "http://" + strings.Fields(u.ok("port", "web", "5000/tcp"))[0] + "/status"
	eventually(t, "redis counts", func() bool { return strings.Contains(get(t, url), "visits: 1\n") })
	contains(t, get(t, url), "visits: 2\n")

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
			if strings.Contains(r.out, "PONG") {
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
	eventually(t, "the record of the dead is gone", func() bool {
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
		{`plugin "overlay" not found`, []string{"network", "create", "-d", "overlay", "x"}},
	} {
		u.fails(1, []string{tt.words}, tt.args...)
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
