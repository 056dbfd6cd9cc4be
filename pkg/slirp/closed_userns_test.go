// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	randv2 "math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"

	"coracle/pkg/slirp/netns"
)

// TestFramesOfAnyKind writes noise to the wire, as a container with NET_RAW
// may, and then uses the network.
func TestFramesOfAnyKind(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	addr := listenHost(t, digest)
	_, err := netns.In(b.ns, func() (struct{}, error) { return struct{}{}, noise(t) })
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.dial("tcp", addr, 5*time.Second)
	if err == nil {
		err = exchange(c, []byte("hello"))
	}
	if err != nil {
		t.Error(err)
	}
}

func noise(t *testing.T) error {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := randv2.New(randv2.NewPCG(seed, 0))
	to := &unix.SockaddrLinklayer{Ifindex: link.Attrs().Index}
	for i := range 20000 {
		frame := make([]byte, 14+r.IntN(200))
		for k := range frame {
			frame[k] = byte(r.Uint32())
		}
		if i%8 != 0 { // most of them are nearly right
			gateway := macOf(netip.MustParseAddr("10.0.2.2"))
			copy(frame, gateway[:])
			kind := [][2]byte{{8, 0}, {8, 0}, {8, 6}, {0x86, 0xdd}}[r.IntN(4)]
			frame[12], frame[13] = kind[0], kind[1]
		}
		if ip := frame[14:]; frame[12] == 8 && frame[13] == 0 && len(ip) > 24 {
			ip[0] = 0x45 + byte(r.IntN(2))
			ip[2], ip[3] = 0, byte(len(ip)-r.IntN(3))
			ip[6], ip[7] = byte(r.IntN(2))*0x20, 0
			ip[9] = []byte{1, 6, 17, 2, 58, 0}[r.IntN(6)]
			copy(ip[12:], []byte{10, 0, 2, 100})
			copy(ip[16:], []byte{192, 0, 2, byte(r.IntN(3))})
			ip[10], ip[11] = 0, 0
			sum := ^checksum.Checksum(ip[:20], 0)
			ip[10], ip[11] = byte(sum>>8), byte(sum)
		}
		if err := unix.Sendto(fd, frame, 0, to); err != nil && err != unix.ENOBUFS && err != unix.EINVAL {
			return err
		}
	}
	return nil
}

// TestClosedByDefault asks for everything of the host that a container is not to
// reach, while somebody listens there.
func TestClosedByDefault(t *testing.T) {
	if !onHost(t) {
		return
	}
	for _, addr := range []string{"127.0.0.1:80", "127.0.0.1:53"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
	}
	outside := listenHost(t, digest)
	b := newBox(t, nil)
	for _, addr := range []string{"10.0.2.2:80", "10.0.2.2:53", "10.0.2.3:80", "10.0.2.1:80", "169.254.169.254:80", "224.0.0.1:80", "255.255.255.255:80"} {
		if c, err := b.dial("tcp4", addr, time.Second); err == nil {
			c.Close()
			t.Errorf("%s can be reached", addr)
		}
	}
	inside := newBox(t, func(c *Config) { c.Internal = true })
	for _, addr := range []string{outside, "10.0.2.2:80", "10.0.2.3:53"} {
		if c, err := inside.dial("tcp4", addr, time.Second); err == nil {
			c.Close()
			t.Errorf("%s can be reached from an internal network", addr)
		}
	}
	dnsServer(t, "127.0.0.53", respond("leak", 0))
	leaky := newBox(t, func(c *Config) { c.Internal, c.ResolvConf = true, resolvConf(t, "127.0.0.53") })
	c, err := leaky.dial("udp", "10.0.2.3:53", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte{7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0, 1, 0, 1})
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 512)
	if n, err := c.Read(buf); err != nil || n < dnsHeader || buf[3]&0xf != rcodeServFail || bytes.Contains(buf[:n], []byte("leak")) {
		t.Errorf("a question on an internal network: %q, %v", buf[:n], err)
	}
}
