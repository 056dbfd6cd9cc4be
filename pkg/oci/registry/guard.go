// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/publicsuffix"

	"coracle/pkg/clouds"
)

// A registry says where its tokens, its blobs and its uploads are. guard keeps
// what it says from leading us to services that only this machine or its
// network can reach, such as those that hand out credentials to whoever asks:
//
//   - loopback, link-local and other special addresses (RFC 6890): only those
//     that the registry itself is on;
//   - private addresses (RFC 1918, RFC 4193): only when the registry is on one;
//   - plain HTTP: only to a registry that may be insecure, and to its own host.
//
// Addresses are checked when a connection is made, after names are resolved.
type guard struct {
	inner    *http.Transport
	host     string // the registry, with or without port
	insecure bool

	mu  sync.Mutex
	own map[netip.Addr]bool // where connections to the registry went
}

// proxied marks requests whose connection leads to the user's own proxy.
type proxied struct{}

func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !(g.insecure && sameHost(r.URL.Host, g.host)) {
		return nil, &plainError{r.URL.Host}
	}
	if p, err := http.ProxyFromEnvironment(r); err == nil && p != nil {
		// The proxy resolves the name; what is no name can be checked here.
		if a, err := netip.ParseAddr(r.URL.Hostname()); err == nil && !sameHost(r.URL.Host, g.host) {
			if err := g.check(a); err != nil {
				return nil, err
			}
		}
		r = r.WithContext(context.WithValue(r.Context(), proxied{}, true))
	}
	if !sameSite(r.URL.Host, g.host) {
		var err error
		if r, err = withoutCredentials(r); err != nil {
			return nil, err
		}
	}
	return g.inner.RoundTrip(r)
}

// sameSite reports whether two hosts are of one owner: below one registered
// domain, as auth.docker.io and index.docker.io are.
func sameSite(a, b string) bool {
	a, b = hostOf(a), hostOf(b)
	if a == b {
		return true
	}
	x, xerr := publicsuffix.EffectiveTLDPlusOne(a)
	y, yerr := publicsuffix.EffectiveTLDPlusOne(b)
	_, ip := netip.ParseAddr(a)
	return xerr == nil && yerr == nil && ip != nil && x == y
}

// withoutCredentials is a request as a stranger may see it. A bearer token that
// it carries is the stranger's own; a refresh token is ours.
func withoutCredentials(r *http.Request) (*http.Request, error) {
	if r.Method == http.MethodPost && r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		return nil, fmt.Errorf("token server %s is not the registry's: it gets no credentials", r.URL.Host)
	}
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "basic") {
		r = r.Clone(r.Context())
		r.Header.Del("Authorization")
	}
	return r, nil
}

// sameHost compares hosts, whatever their ports.
func sameHost(a, b string) bool { return hostOf(a) == hostOf(b) }

func hostOf(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return hostport
}

// withPort is host with the port that it has by default.
func withPort(host, scheme string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	port := "443"
	if scheme == "http" {
		port = "80"
	}
	return net.JoinHostPort(hostOf(host), port)
}

func (g *guard) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 20 * time.Second, KeepAlive: 30 * time.Second}
	switch {
	case ctx.Value(proxied{}) != nil:
	case addr == withPort(g.host, "https"), addr == withPort(g.host, "http"):
		// Only what answers is the registry's: its name may have any address.
		conn, err := dialName(ctx, d, network, addr)
		if err == nil {
			g.keep(conn.RemoteAddr())
		}
		return conn, err
	default:
		d.Control = func(_, to string, _ syscall.RawConn) error {
			a, err := netip.ParseAddrPort(to)
			if err != nil {
				return err
			}
			return g.check(a.Addr())
		}
	}
	return dialName(ctx, d, network, addr)
}

// dialName dials an address. Names of the loopback need nobody to know them (RFC
// 6761, 6.3): a small host has no /etc/hosts, and its name server no localhost.
func dialName(ctx context.Context, d net.Dialer, network, addr string) (net.Conn, error) {
	conn, err := d.DialContext(ctx, network, addr)
	host, port, _ := net.SplitHostPort(addr)
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	var unknown *net.DNSError
	if !errors.As(err, &unknown) || name != "localhost" && !strings.HasSuffix(name, ".localhost") {
		return conn, err
	}
	for _, ip := range []string{"127.0.0.1", "::1"} {
		if conn, err = d.DialContext(ctx, network, net.JoinHostPort(ip, port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// keep notes where the registry is.
func (g *guard) keep(to net.Addr) {
	if a, err := netip.ParseAddrPort(to.String()); err == nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.own[a.Addr().Unmap()] = true
	}
}

// check refuses an address that the registry may not lead to.
func (g *guard) check(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.own[a] || !isSpecial(a) && !a.IsPrivate() {
		return nil
	}
	if a.IsPrivate() && !isSpecial(a) {
		for own := range g.own {
			if own.IsPrivate() {
				return nil
			}
		}
	}
	return &strayError{host: g.host, to: a}
}

// special are addresses beside those that package netip knows, whose packets
// stay on this machine or in its provider's network.
var special = [...]netip.Prefix{
	netip.PrefixFrom(netip.AddrFrom4([4]byte{}), 8),
	netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10),
	netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 0}), 24),
	netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18}), 15),
	netip.PrefixFrom(netip.AddrFrom4([4]byte{240}), 4),
	// IPv4 in the clothes of IPv6 (RFC 6052).
	netip.PrefixFrom(netip.AddrFrom16([16]byte{1: 0x64, 2: 0xff, 3: 0x9b}), 96),
}

func isSpecial(a netip.Addr) bool {
	if a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || clouds.IsMetadata(a) {
		return true
	}
	for _, p := range special {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// strayError is an address that a registry has no business with.
type strayError struct {
	host string
	to   netip.Addr
}

func (e *strayError) Error() string {
	return fmt.Sprintf("registry %s leads to %s: refused, as it is not on that address itself", e.host, e.to)
}
