// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"net/netip"
	"os"
	"strings"
	"testing"
)

// TestBindReserved binds what only a privileged user may, and nothing else.
func TestBindReserved(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	for _, s := range []Spec{
		{HostIP: loopback, HostPort: 0, ContainerPort: 80, Proto: "tcp"},
		{HostIP: loopback, HostPort: unprivilegedPorts(), ContainerPort: 80, Proto: "tcp"},
		{HostIP: loopback, HostPort: 65535, ContainerPort: 80, Proto: "udp"},
		{HostIP: loopback, HostPort: 1, HostPortEnd: 9, ContainerPort: 80, Proto: "tcp"}, // the first free one: who publishes finds it
	} {
		files, err := BindReserved([]Spec{s})
		if len(files) != 0 || err != nil {
			t.Errorf("%+v: %d sockets, %v", s, len(files), err)
		}
	}
	if unprivilegedPorts() < 2 {
		t.Skip("this host reserves no port")
	}
	for _, proto := range []string{"tcp", "udp"} {
		files, err := BindReserved([]Spec{{HostIP: loopback, HostPort: 1, ContainerPort: 80, Proto: proto}})
		if os.Geteuid() != 0 {
			if err == nil || !strings.Contains(err.Error(), "Bind for 127.0.0.1:1 failed: permission denied") {
				t.Errorf("%s as a user: %v", proto, err)
			}
			continue
		}
		if len(files) != 1 || err != nil {
			t.Fatalf("%s as root: %d sockets, %v", proto, len(files), err)
		}
		ports := &Ports{}
		ports.Inherit(files)
		if ports.inheritedAt(proto, netip.AddrPortFrom(loopback, 1)) == nil {
			t.Errorf("%s: what was bound is not taken", proto)
		}
		files[0].Close()
	}
}
