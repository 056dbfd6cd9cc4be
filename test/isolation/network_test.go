// SPDX-License-Identifier: Apache-2.0

package isolation

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"coracle/internal/testutil"
)

// hostServer listens on the host, and counts who comes.
type hostServer struct {
	port    string
	visits  atomic.Int32
	packets atomic.Int32
}

// listenHost listens at one port of all of these addresses, over TCP and UDP.
func listenHost(t *testing.T, addrs ...string) *hostServer {
	t.Helper()
	s := &hostServer{port: "0"}
	for _, a := range addrs {
		l, err := net.Listen("tcp", net.JoinHostPort(a, s.port))
		if err != nil {
			if strings.Contains(a, ":") {
				continue // no IPv6 here
			}
			t.Fatal(err)
		}
		_, s.port, _ = net.SplitHostPort(l.Addr().String())
		p, err := net.ListenPacket("udp", net.JoinHostPort(a, s.port))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close(); p.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				s.visits.Add(1)
				fmt.Fprint(c, "the host")
				c.Close()
			}
		}()
		go func() {
			buf := make([]byte, 1500)
			for {
				_, from, err := p.ReadFrom(buf)
				if err != nil {
					return
				}
				s.packets.Add(1)
				_, _ = p.WriteTo([]byte("the host"), from)
			}
		}()
	}
	return s
}

// silent checks that nobody has come.
func (s *hostServer) silent(t *testing.T, what string) {
	t.Helper()
	if n, m := s.visits.Load(), s.packets.Load(); n != 0 || m != 0 {
		t.Errorf("%s: %d connections and %d packets got to the host", what, n, m)
	}
}

// lanAddr is an address of the host that others may reach, or "".
func lanAddr() string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
			return p.Addr().String()
		}
	}
	return ""
}

// lookNet runs a probe of the network in a new container.
func lookNet(t *testing.T, options []string, args ...string) string {
	t.Helper()
	all := append(probing("run", "--rm"), options...)
	return ok(t, append(append(all, "box", "/probe", "probe", "net"), args...)...)
}

// network makes a network with a name.
func network(t *testing.T, options ...string) string {
	t.Helper()
	name := fresh("network")
	ok(t, append(append([]string{"network", "create"}, options...), name)...)
	t.Cleanup(func() { world.run(nil, "network", "rm", "-f", name) })
	return name
}

// published starts a server that tells visitors who they are, and returns its
// port on the host.
func published(t *testing.T, options ...string) string {
	t.Helper()
	args := append(probing(), "-p", "8000")
	id := service(t, append(append(args, options...), "box", "/probe", "probe", "net", "serve", "8000")...)
	_, port, err := net.SplitHostPort(strings.Fields(ok(t, "port", id, "8000/tcp"))[0])
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// visit returns what the server at an address says, as soon as it is there.
func visit(t *testing.T, addr string) (said string) {
	t.Helper()
	testutil.Eventually(t, addr+" answers", func() bool {
		said = probeDial("tcp", addr)
		return strings.HasPrefix(said, "connected ") && said != "connected "
	})
	return strings.TrimPrefix(said, "connected ")
}

func TestN1_ServerSeesTheVisitor(t *testing.T) {
	need(t)
	for what, options := range map[string][]string{"default": nil, "named": {"--network", network(t)}} {
		port := published(t, options...)
		if seen := visit(t, "127.0.0.1:"+port); strings.HasPrefix(seen, "127.") || net.ParseIP(seen) == nil {
			t.Errorf("%s: a visitor from the host is seen as %q", what, seen)
		}
		if lan := lanAddr(); lan != "" {
			if seen := visit(t, lan+":"+port); seen != lan {
				t.Errorf("%s: visitor %s is seen as %q", what, lan, seen)
			}
		}
	}
}

func TestN2_GatewayHasNoPorts(t *testing.T) {
	need(t)
	s := listenHost(t, "127.0.0.1", "::1")
	// A port that another container publishes is none of the gateway either.
	published(t)
	if open := lookNet(t, nil, "scan", "10.0.2.2"); open != "" {
		t.Errorf("open at the gateway:\n%s", open)
	}
	name := network(t)
	gateway := ok(t, "network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", name)
	if open := lookNet(t, []string{"--network", name}, "scan", gateway); open != gateway+":53" {
		t.Errorf("open at the gateway of a network, which answers for names:\n%s", open)
	}
	s.silent(t, "a scan of the gateway")
}

func TestN3_FramesOfAnyKind(t *testing.T) {
	need(t)
	name := network(t)
	server := append(probing(), "--network", name, "--name", fresh("server"), "box", "/probe", "probe", "net", "serve", "80")
	on := service(t, server...)
	address := ok(t, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", on)
	bystander := service(t, append(probing(), "--network", name, "box", "sleep", "1000")...)
	works := func(from string) bool {
		r := try(t, "exec", from, "/probe", "probe", "net", "dial", "tcp|"+address+":80")
		return strings.Contains(r.Out, "connected ") && r.Code == 0
	}
	testutil.Eventually(t, "the network works", func() bool { return works(bystander) })
	for what, options := range map[string][]string{"named": {"--network", name}, "default": nil} {
		args := append(probing(), append(options, "--cap-add", "NET_RAW", "--cap-add", "NET_ADMIN", "box", "sleep", "1000")...)
		noisy := service(t, args...)
		for range 3 {
			ok(t, "exec", noisy, "/probe", "probe", "net", "noise", "20000")
		}
		if !works(bystander) {
			t.Errorf("%s: the network of others is gone", what)
		}
		if what == "named" {
			testutil.Eventually(t, "the noisy one's own network works", func() bool { return works(noisy) })
		} else if r := try(t, "exec", noisy, "ping", "-c", "1", "-W", "5", "10.0.2.2"); r.Code != 0 {
			t.Errorf("the noisy one's gateway does not answer: %s%s", r.Out, r.Err)
		}
		// Nor does it matter what it does to its end of the wire.
		for _, script := range []string{"ip link set eth0 down", "ip link set eth0 up", "ip link del eth0"} {
			ok(t, "exec", noisy, "sh", "-c", script)
		}
		if !works(bystander) {
			t.Errorf("%s: the network of others is gone with an interface", what)
		}
		if state := ok(t, "inspect", "-f", "{{.State.Status}}", noisy); state != "running" {
			t.Errorf("%s: it is %s: did its supervisor die?", what, state)
		}
		ok(t, "exec", noisy, "true")
		if r := try(t, "stop", "-t", "0", noisy); r.Code != 0 {
			t.Errorf("%s: stop: %s", what, r.Err)
		}
	}
}

// waysToTheHost are the addresses by which a container might reach the host's
// loopback, or a metadata service.
var waysToTheHost = []string{
	"127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.2.2", "10.0.2.3", "10.0.2.1", "10.0.2.255", "169.254.169.254", "169.254.1.2", "255.255.255.255",
	"::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.2.2", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
	"fd00:c0:2::2", "fd00:c0:2::3", "fe80::1%eth0", "fd00:ec2::254",
}

func TestN4_HostIsClosed(t *testing.T) {
	need(t)
	s := listenHost(t, "127.0.0.1", "::1")
	for what, options := range map[string][]string{
		"default": nil, "named": {"--network", network(t)}, "IPv6": {"--network", network(t, "--ipv6")}, "internal": {"--network", network(t, "--internal")},
	} {
		id := service(t, append(append(probing(), options...), "--cap-add", "NET_RAW", "box", "sleep", "1000")...)
		gateways := strings.Fields(ok(t, "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.Gateway}} {{.IPv6Gateway}}{{end}}", id))
		if len(gateways) == 0 {
			t.Fatalf("%s: no gateway", what)
		}
		dial, craft := []string{"exec", id, "/probe", "probe", "net", "dial"}, []string{"exec", id, "/probe", "probe", "net", "craft"}
		for _, a := range append(gateways, waysToTheHost...) {
			addr := net.JoinHostPort(a, s.port)
			dial = append(dial, "tcp|"+addr, "udp|"+addr)
			if !strings.Contains(a, "%") {
				craft = append(craft, addr)
			}
		}
		if said := ok(t, dial...); strings.Contains(said, "the host") || strings.Contains(said, "connected") {
			t.Errorf("%s network: the host answers:\n%s", what, said)
		}
		s.silent(t, what+" network")
		ok(t, craft...)
		// What is sent later is judged later.
		ok(t, "exec", id, "ping", "-c", "1", "-W", "5", gateways[0])
		s.silent(t, what+" network, frames")
	}
	// They would have come: the same frames reach what is open.
	if lan := lanAddr(); lan != "" {
		open := listenHost(t, lan)
		id := service(t, append(probing(), "--cap-add", "NET_RAW", "box", "sleep", "1000")...)
		testutil.Eventually(t, "the frame that asks for a connection has come", func() bool {
			ok(t, "exec", id, "/probe", "probe", "net", "craft", net.JoinHostPort(lan, open.port))
			return open.visits.Load() > 0
		})
		if said := lookNet(t, nil, "dial", "tcp|"+net.JoinHostPort(lan, open.port), "udp|"+net.JoinHostPort(lan, open.port)); strings.Count(said, "the host") != 2 {
			t.Errorf("the host at %s, which is open, does not answer: %s", lan, said)
		}
	}
}

func TestN4_HostIsClosedToABuild(t *testing.T) {
	need(t)
	s := listenHost(t, "127.0.0.1", "::1")
	script := ""
	for _, a := range waysToTheHost {
		script += fmt.Sprintf("nc -w 1 '%s' %s </dev/null 2>/dev/null | sed s/^/LEAK:/; ", a, s.port)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM box\nRUN "+script+"echo tried\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := world.run(nil, "build", "--no-cache", "--progress", "plain", dir)
	if said := r.Out + r.Err; r.Code != 0 || !strings.Contains(said, "tried") || strings.Contains(said, "LEAK:t") {
		t.Errorf("exit code %d: %s", r.Code, said)
	}
	s.silent(t, "a build")
}

func TestN5_NoWayOut(t *testing.T) {
	need(t)
	lan := lanAddr()
	if lan == "" {
		t.Skip("the host has no address but its loopback: nothing is outside")
	}
	s := listenHost(t, lan)
	addr := net.JoinHostPort(lan, s.port)
	internal := network(t, "--internal")
	for what, options := range map[string][]string{"internal": {"--network", internal}, "none": {"--network", "none"}} {
		if said := lookNet(t, options, "dial", "tcp|"+addr, "udp|"+addr); strings.Contains(said, "the host") || strings.Contains(said, "connected") {
			t.Errorf("%s: %s", what, said)
		}
		s.silent(t, what)
		if said := lookNet(t, options, "lookup", "example.org"); !strings.HasPrefix(said, "[] ") {
			t.Errorf("%s: example.org is %s", what, said)
		}
		if r := try(t, append(append([]string{"run", "--rm"}, options...), "box", "ping", "-c", "1", "-W", "1", lan)...); r.Code == 0 {
			t.Errorf("%s: an echo from %s: %s", what, lan, r.Out)
		}
	}
	// The internal network says at once that there is no such name.
	if said := lookNet(t, []string{"--network", internal}, "lookup", "example.org"); !strings.Contains(said, "no such host") {
		t.Errorf("internal: %s", said)
	}
	if out := box(t, "ls /sys/class/net", "--network", "none"); out != "lo" {
		t.Errorf("none has the interfaces %s", out)
	}
}

func TestN6_AbstractSocketsAreHidden(t *testing.T) {
	need(t)
	name := fmt.Sprintf("coracle-n6-%d", os.Getpid())
	l, err := net.Listen("unix", "@"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if said := probeDial("unix", "@"+name); said == "error" {
		t.Fatal("the host itself does not reach its socket")
	}
	for what, options := range map[string][]string{"default": nil, "named": {"--network", network(t)}, "none": {"--network", "none"}} {
		if said := lookNet(t, options, "dial", "unix|@"+name); !strings.HasSuffix(said, " error") {
			t.Errorf("%s: %s", what, said)
		}
		if out := box(t, "cat /proc/net/unix", options...); strings.Contains(out, name) {
			t.Errorf("%s: the socket is listed:\n%s", what, out)
		}
	}
	if r := world.run(nil, "run", "--rm", "--network", "host", "box", "true"); strings.Contains(r.Err, "abstract unix sockets") {
		t.Log(r.Err) // an old kernel, and the user was told
	} else if said := lookNet(t, []string{"--network", "host"}, "dial", "unix|@"+name); !strings.HasSuffix(said, " error") {
		t.Errorf("host: %s", said)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM box\nRUN grep -c "+name+" /proc/net/unix | sed s/^/COUNT:/\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := world.run(nil, "build", "--no-cache", "--progress", "plain", dir)
	if said := r.Out + r.Err; r.Code != 0 || !strings.Contains(said, "COUNT:0") {
		t.Errorf("build: %d: %s", r.Code, said)
	}
}
