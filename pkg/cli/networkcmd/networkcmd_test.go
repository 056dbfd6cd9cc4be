// SPDX-License-Identifier: Apache-2.0

package networkcmd_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"coracle/internal/testutil"
	"coracle/internal/testutil/commandline"
)

// names are the networks that a list shows, without those that are always there.
func names(h *commandline.House, args ...string) string {
	list := strings.Fields(h.OK(append([]string{"network", "ls", "--format", "{{.Name}}"}, args...)...))
	list = slices.DeleteFunc(list, func(n string) bool { return n == "bridge" || n == "host" || n == "none" })
	return strings.Join(list, " ")
}

// TestLife makes networks, looks at them and removes them.
func TestLife(t *testing.T) {
	h := commandline.New(t)
	id := h.OK("network", "create", "web")
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(id) {
		t.Fatalf("create prints %q", id)
	}
	h.OK("network", "create", "--internal", "--label", "tier=back", "--label", "x", "db")
	if got := names(h); got != "db web" {
		t.Errorf("networks: %s", got)
	}
	lines := strings.Split(h.OK("network", "ls"), "\n")
	if got := strings.Join(strings.Fields(lines[0]), " "); got != "NETWORK ID NAME DRIVER SCOPE" || len(lines) != 6 {
		t.Errorf("ls: %q", lines)
	}
	if f := strings.Fields(h.OK("network", "ls", "--filter", "name=web")); !slices.Equal(f[5:], []string{id[:12], "web", "bridge", "local"}) {
		t.Errorf("ls of one: %q", f)
	}
	if got := h.OK("network", "ls", "-q", "--no-trunc", "-f", "name=web"); got != id {
		t.Errorf("its whole id: %s", got)
	}
	for _, arg := range []string{"web", id, id[:12], id[:3]} {
		if got := h.OK("network", "inspect", "-f", "{{.Id}} {{.Name}}", arg); got != id+" web" {
			t.Errorf("by %s: %s", arg, got)
		}
	}
	h.Fails(1, `network with name web already exists`, "network", "create", "web")
	if got := h.OK("network", "rm", "web"); got != "web" {
		t.Errorf("rm prints %q", got)
	}
	h.Fails(1, "network web not found", "network", "inspect", "web")
	r := h.Do("network", "rm", "web", "db")
	if r.Code != 1 || r.Text() != "db" || !strings.Contains(r.Err, "network web not found") {
		t.Errorf("rm of one that is there and one that is not: %+v", r)
	}
	if got := h.OK("network", "rm", "-f", "web"); got != "" {
		t.Errorf("rm -f of one that is not there: %q", got)
	}
}

// TestInspect looks at what a network was made with, in Docker's JSON.
func TestInspect(t *testing.T) {
	h := commandline.New(t)
	h.OK("network", "create", "--subnet", "10.77.0.0/16", "--gateway", "10.77.0.5", "--ip-range", "10.77.8.0/24", "--aux-address", "router=10.77.8.9",
		"--ipv6", "--subnet", "fd00:77::/64", "--label", "a=b=c", "--internal", "--attachable", "-o", "com.example.x=y", "full")
	var list []struct {
		Name, Driver, Scope              string
		Internal, EnableIPv6, Attachable bool
		Labels, Options                  map[string]string
		IPAM                             struct {
			Driver string
			Config []struct {
				Subnet, IPRange, Gateway string
				AuxiliaryAddresses       map[string]string
			}
		}
	}
	if err := json.Unmarshal([]byte(h.OK("network", "inspect", "full")), &list); err != nil || len(list) != 1 {
		t.Fatalf("%v", err)
	}
	n := list[0]
	if n.Name != "full" || n.Driver != "bridge" || n.Scope != "local" || !n.Internal || !n.EnableIPv6 || !n.Attachable || n.Labels["a"] != "b=c" || n.Options["com.example.x"] != "y" {
		t.Errorf("%+v", n)
	}
	if len(n.IPAM.Config) != 2 {
		t.Fatalf("%+v", n.IPAM)
	}
	four := n.IPAM.Config[0]
	if four.Subnet != "10.77.0.0/16" || four.Gateway != "10.77.0.5" || four.IPRange != "10.77.8.0/24" || four.AuxiliaryAddresses["router"] != "10.77.8.9" {
		t.Errorf("IPv4: %+v", four)
	}
	if six := n.IPAM.Config[1]; six.Subnet != "fd00:77::/64" {
		t.Errorf("IPv6: %+v", six)
	}
	for name, driver := range map[string]string{"bridge": "bridge", "host": "host", "none": "null"} {
		if got := h.OK("network", "inspect", "-f", "{{.Name}} {{.Driver}}", name); got != name+" "+driver {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := h.Do("network", "inspect", "full", "nosuch"); got.Code != 1 || !strings.Contains(got.Out, `"full"`) || !strings.Contains(got.Err, "network nosuch not found") {
		t.Errorf("one of two is not there: %+v", got)
	}
}

// TestCreateIsRefused: what cannot be had is said, in Docker's words where it has
// some, and nothing is made.
func TestCreateIsRefused(t *testing.T) {
	h := commandline.New(t)
	h.OK("network", "create", "--subnet", "10.77.0.0/16", "first")
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{1, "'coracle network create' requires 1 argument", nil},
		{1, "'coracle network create' requires 1 argument", []string{"a", "b"}},
		{1, "invalid subnet 10.0.0.0: invalid CIDR block notation", []string{"--subnet", "10.0.0.0", "x"}},
		{1, "invalid aux-address router=x: invalid IP address", []string{"--subnet", "10.1.0.0/16", "--aux-address", "router=x", "x"}},
		{125, `invalid argument "x" for "--gateway" flag: invalid string being converted to IP address: x`, []string{"--gateway", "x", "x"}},
		{125, `invalid argument "x" for "--ip-range" flag: invalid string being converted to CIDR: x`, []string{"--ip-range", "x", "x"}},
		{125, `invalid argument "=x" for "--label" flag: invalid label '=x': empty name`, []string{"--label", "=x", "x"}},
		{125, "unknown flag: --nosuch", []string{"--nosuch", "x"}},
		{125, "--config-only is not supported: it is a cluster's", []string{"--config-only", "x"}},
		{125, "--ipam-opt is not supported", []string{"--ipam-opt", "a=b", "x"}},
		{1, "overlay", []string{"-d", "overlay", "x"}},
		{1, "", []string{"--scope", "swarm", "x"}},
		{1, "no matching subnet", []string{"--subnet", "10.1.0.0/16", "--gateway", "10.2.0.1", "x"}},
		{1, "overlap", []string{"--subnet", "10.77.3.0/24", "x"}},
		{1, "host", []string{"host"}},
		{1, "", []string{"bridge"}},
		{1, "", []string{"x y"}},
		{1, "", []string{"a/b"}},
	} {
		h.Fails(c.code, c.want, append([]string{"network", "create"}, c.args...)...)
	}
	if got := names(h); got != "first" {
		t.Errorf("afterwards there are: %s", got)
	}
}

// TestFilters lists those that filters name.
func TestFilters(t *testing.T) {
	h := commandline.New(t)
	for _, args := range [][]string{{"--label", "tier=front", "web"}, {"--label", "tier=back", "--internal", "db"}, {"cache"}} {
		h.OK(append([]string{"network", "create"}, args...)...)
	}
	for filter, want := range map[string]string{
		"name=web": "web", "name=e": "cache web", "label=tier": "db web", "label=tier=back": "db", "driver=bridge": "cache db web", "driver=host": "",
		"type=custom": "cache db web", "type=builtin": "", "scope=local": "cache db web", "scope=swarm": "", "dangling=true": "cache db web", "dangling=false": "",
	} {
		if got := names(h, "--filter", filter); got != want {
			t.Errorf("%s: %q, want %q", filter, got, want)
		}
	}
	if got := names(h, "--filter", "label=tier", "--filter", "name=db"); got != "db" {
		t.Errorf("both: %q", got)
	}
	h.Fails(1, "nosuch", "network", "ls", "--filter", "nosuch=x")
	h.Fails(125, "bad format of filter", "network", "ls", "--filter", "nosuch")
	h.Fails(1, "accepts no arguments", "network", "ls", "web")
	h.Fails(1, "template parsing error", "network", "ls", "--format", "{{")
	h.Fails(64, "template parsing error", "network", "inspect", "--format", "{{", "web")
}

// TestPrune asks first, and removes what nobody is on.
func TestPrune(t *testing.T) {
	h := commandline.New(t)
	h.OK("network", "create", "--label", "keep", "one")
	h.OK("network", "create", "two")
	h.Stdin = "n\n"
	out := h.OK("network", "prune")
	testutil.Contains(t, out, "WARNING! This will remove all custom networks not used by at least one container.", "Are you sure you want to continue? [y/N]")
	if got := names(h); got != "one two" {
		t.Errorf("after a no: %s", got)
	}
	h.Stdin = ""
	h.OK("network", "prune")
	if got := names(h); got != "one two" {
		t.Errorf("after no answer: %s", got)
	}
	if out := h.OK("network", "prune", "-f", "--filter", "label!=keep"); out != "Deleted Networks:\ntwo" {
		t.Errorf("%q", out)
	}
	h.OK("network", "create", "two")
	h.OK("network", "prune", "-f", "--filter", "until=1h") // nothing is so old
	if got := names(h); got != "one two" {
		t.Errorf("after a prune of what is old: %s", got)
	}
	h.Stdin = "Y\n"
	if out := h.OK("network", "prune"); !strings.HasSuffix(out, "Deleted Networks:\none\ntwo") {
		t.Errorf("%q", out)
	}
	if out := h.OK("network", "prune", "-f"); out != "" {
		t.Errorf("with nothing to do: %q", out)
	}
	h.Fails(1, "accepts no arguments", "network", "prune", "x")
	h.Fails(1, "nosuch", "network", "prune", "-f", "--filter", "nosuch=x")
}

// TestConnectIsRefused: without a network or a container there is nothing to do.
func TestConnectIsRefused(t *testing.T) {
	h := commandline.New(t)
	h.OK("network", "create", "web")
	for _, verb := range []string{"connect", "disconnect"} {
		h.Fails(1, "'coracle network "+verb+"' requires 2 arguments", "network", verb, "web")
		h.Fails(1, "network nosuch not found", "network", verb, "nosuch", "box")
		h.Fails(1, "No such container: box", "network", verb, "web", "box")
	}
	h.Fails(1, "invalid key value pair format in driver options", "network", "connect", "--driver-opt", "x", "web", "box")
	h.Fails(125, `failed to parse IP: "x"`, "network", "connect", "--ip", "x", "web", "box")
	h.Program = "docker"
	h.Fails(1, "Error response from daemon: No such container: box", "network", "connect", "web", "box")
}

// TestRemovePredefined: those that are always there stay.
func TestRemovePredefined(t *testing.T) {
	h := commandline.New(t)
	for _, n := range []string{"bridge", "host", "none"} {
		h.Fails(1, n+" is a pre-defined network and cannot be removed", "network", "rm", n)
	}
}
