// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
)

// loopbackPort is a port of 127.0.0.1 where somebody listens until the test ends.
func loopbackPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestLoopbackNamesNeedNoResolver dials where no name server answers.
func TestLoopbackNamesNeedNoResolver(t *testing.T) {
	port := loopbackPort(t)
	d := net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no name server")
	}}}
	for host, want := range map[string]bool{"registry.localhost": true, "Registry.LocalHost.": true, "notlocalhost.invalid": false, "localhost.invalid": false} {
		conn, err := dialName(context.Background(), d, "tcp", net.JoinHostPort(host, port))
		if (err == nil) != want {
			t.Errorf("%s: %v", host, err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

// TestRegistryOfALoopbackName: no name server knows names below localhost, and
// the registry of such a name is on the loopback all the same.
func TestRegistryOfALoopbackName(t *testing.T) {
	port := loopbackPort(t)
	addr := net.JoinHostPort("coracle-registry.localhost", port)
	g := &guard{host: addr, own: map[netip.Addr]bool{}}
	conn, err := g.dial(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
