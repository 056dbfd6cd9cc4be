// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"coracle/internal/testutil"
)

// saying is an image and a command that answers whoever comes to port 80 with words, at
// any time: it listens on while it answers.
func saying(words string) []string {
	return append([]string{"busybox", "nc", "-ll", "-p", "80", "-e", "echo"}, strings.Fields(words)...)
}

// onDefault are the addresses of who is on the default network, by name, as
// network inspect shows them.
func (u *user) onDefault() map[string]string {
	u.t.Helper()
	var list []struct {
		Containers map[string]struct{ Name, IPv4Address string }
	}
	if err := json.Unmarshal([]byte(u.ok("network", "inspect", "bridge")), &list); err != nil {
		u.t.Fatal(err)
	}
	at := map[string]string{}
	for _, c := range list[0].Containers {
		at[c.Name] = strings.Split(c.IPv4Address, "/")[0]
	}
	return at
}

// TestDefaultNetwork has containers on it reach each other by the addresses that inspect
// shows, and by nothing else.
func TestDefaultNetwork(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok(append([]string{"run", "-d", "--name", "one"}, saying("this is one")...)...)
	u.ok(append([]string{"run", "-d", "--name", "two", "-p", "127.0.0.1::80"}, saying("this is two")...)...)
	at := func(name, field string) string { return u.ok("inspect", "-f", "{{.NetworkSettings."+field+"}}", name) }
	ask := func(from, addr string) string {
		return strings.TrimSpace(u.result("exec", from, "sh", "-c", "nc -w 5 "+addr+" 80 </dev/null").Out)
	}
	one, two := at("one", "IPAddress"), at("two", "IPAddress")
	if one == two || at("one", "MacAddress") == at("two", "MacAddress") || at("one", "Gateway") != at("two", "Gateway") {
		t.Fatalf("both are at %s and %s", one, two)
	}
	testutil.Eventually(t, "two reaches one", func() bool { return ask("two", one) == "this is one" })
	testutil.Eventually(t, "one reaches two", func() bool { return ask("one", two) == "this is two" })
	u.ok("exec", "one", "ping", "-c", "1", "-W", "5", two)
	if want := map[string]string{"one": one, "two": two}; !maps.Equal(u.onDefault(), want) {
		t.Errorf("network inspect has %v, want %v", u.onDefault(), want)
	}
	// What the runners of build services write into /etc/hosts.
	if got := u.ok("run", "--rm", "--add-host", "service:"+one, "busybox", "sh", "-c", "nc -w 5 service 80 </dev/null"); got != "this is one" {
		t.Errorf("by a line in /etc/hosts: %q", got)
	}
	// Or whoever links to it, by three names, while it runs.
	if got := u.ok("run", "--rm", "--link", "one:service", "busybox", "sh", "-c", "nc -w 5 service 80 </dev/null; nc -w 5 one 80 </dev/null"); got != "this is one\nthis is one" {
		t.Errorf("by a link: %q", got)
	}
	u.ok("create", "--name", "idle", "busybox", "true")
	u.ok("create", "--name", "linked", "--link", "idle:it", "busybox", "true")
	u.fails(1, []string{"Cannot link to a non running container: /idle AS /linked/it"}, "start", "linked")
	u.fails(125, []string{"No such container: nobody"}, "create", "--link", "nobody", "busybox", "true")
	// As in Docker, there are no names.
	if r := u.result("exec", "one", "nslookup", "two"); strings.Contains(r.Out, two) {
		t.Errorf("the default network has names: %s", r.Out)
	}

	// Who is on a network with a name comes to the default one, and leaves it.
	u.ok("network", "create", "own")
	t.Cleanup(func() { u.result("network", "prune", "-f") })
	u.ok("run", "-d", "--name", "apart", "--network", "own", "busybox", "sleep", "1000")
	if got := ask("apart", one); got != "" {
		t.Errorf("from another network: %q", got)
	}
	u.ok("network", "connect", "bridge", "apart")
	testutil.Eventually(t, "the connected one reaches one", func() bool { return ask("apart", one) == "this is one" })
	if u.onDefault()["apart"] != u.ok("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", "apart") {
		t.Errorf("network inspect has %v", u.onDefault())
	}
	u.ok("network", "disconnect", "bridge", "apart")
	if got := ask("apart", one); got != "" {
		t.Errorf("after disconnect: %q", got)
	}
	// Nor does anybody who is to be alone meet others.
	u.ok("network", "create", "-o", "com.docker.network.bridge.enable_icc=false", "quiet")
	u.ok(append([]string{"run", "-d", "--name", "hermit", "--network", "quiet"}, saying("this is a hermit")...)...)
	u.ok("run", "-d", "--name", "other", "--network", "quiet", "busybox", "sleep", "1000")
	hermit := u.ok("inspect", "-f", "{{.NetworkSettings.Networks.quiet.IPAddress}}", "hermit")
	testutil.Contains(t, u.ok("exec", "other", "nslookup", "hermit"), hermit)
	if got := ask("other", hermit); got != "" {
		t.Errorf("without icc: %q", got)
	}
	u.ok("exec", "other", "ping", "-c", "1", "-W", "5", at("other", "Networks.quiet.Gateway"))
	// The steps of a build are on it no more than before.
	u.write("build/Dockerfile", "FROM busybox\nRUN ip -4 -o addr show eth0; if nc -w 2 "+two+" 80 </dev/null | grep this; then exit 1; fi\n")
	u.ok("build", "--no-cache", u.home+"/build")
}

// TestDefaultNetworkAddresses: each of many that start at once has an address of its own, which is
// free again when its supervisor is killed.
func TestDefaultNetworkAddresses(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	const many = 30
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			if r := u.result("run", "-d", "--name", fmt.Sprint("many", i), "busybox", "sleep", "1000"); r.Code != 0 {
				t.Errorf("container %d: %s", i, r.Err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	at := u.onDefault()
	seen := map[string]bool{}
	for _, a := range at {
		seen[a] = true
	}
	if len(at) != many || len(seen) != many {
		t.Fatalf("%d containers have %d addresses: %v", len(at), len(seen), at)
	}
	// The first and the last address, as far as one can tell.
	byAddress := slices.SortedFunc(maps.Keys(at), func(a, b string) int {
		return netip.MustParseAddr(at[a]).Compare(netip.MustParseAddr(at[b]))
	})
	first, last := byAddress[0], byAddress[many-1]
	u.ok("exec", first, "ping", "-c", "1", "-W", "10", at[last])
	pid := u.ok("inspect", "-f", "{{.State.Pid}}", first)
	if err := syscall.Kill(parent(t, pid), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "it is dead", func() bool { return u.ok("inspect", "-f", "{{.State.Status}}", first) == "exited" })
	// The kernel lets go of the lock a moment after the process is seen to be dead.
	testutil.Eventually(t, "its address is given again", func() bool {
		u.result("rm", "-f", "next")
		u.ok(append([]string{"run", "-d", "--name", "next"}, saying("this is next")...)...)
		return u.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "next") == at[first]
	})
	testutil.Eventually(t, "others find who came after the dead", func() bool {
		return u.result("exec", last, "sh", "-c", "nc -w 5 "+at[first]+" 80 </dev/null").Out == "this is next\n"
	})
	if n := len(u.onDefault()); n != many {
		t.Errorf("%d containers are on the network, want %d", n, many)
	}
}
