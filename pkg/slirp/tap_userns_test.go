// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"crypto/rand"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"coracle/pkg/slirp/publish"
)

// needTap skips where the host keeps users from TAP devices.
func needTap(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no TAP devices: %v", err)
	}
	f.Close()
}

// The data path without veth pairs.
func TestTap(t *testing.T) {
	if !onHost(t) {
		return
	}
	needTap(t)
	b := newBox(t, func(c *Config) { c.NoVeth = true })
	data := make([]byte, 4<<20)
	rand.Read(data)
	out, err := b.dial("tcp", listenHost(t, digest), 5*time.Second)
	if err == nil {
		err = exchange(out, data)
	}
	if err != nil {
		t.Errorf("out: %v", err)
	}
	go accept(b.listen("0.0.0.0:8000"), digest)
	go echoName(b.listenUDP("0.0.0.0:5000"))
	for _, s := range []publish.Spec{{HostPort: 8080, ContainerPort: 8000, Proto: "tcp"}, {HostPort: 5353, ContainerPort: 5000, Proto: "udp"}} {
		if _, err := b.ports.Publish(s); err != nil {
			t.Fatal(err)
		}
	}
	in, err := net.Dial("tcp", hostAddr+":8080")
	if err == nil {
		err = exchange(in, data)
	}
	if err != nil {
		t.Errorf("published TCP: %v", err)
	}
	large := strings.Repeat("x", 60000)
	if got, err := askUDP(hostAddr+":5353", large); err != nil || got != hostAddr+" "+large {
		t.Errorf("published UDP: %.20q, %v", got, err)
	}
}

// Two members of a network without veth pairs.
func TestTapBetweenMembers(t *testing.T) {
	if !onHost(t) {
		return
	}
	needTap(t)
	one, two := members(t, func(c *Config) { c.NoVeth = true })
	reach(t, one, two)
}
