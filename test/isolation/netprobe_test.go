// SPDX-License-Identifier: Apache-2.0

package isolation

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// probeNet looks at the network from inside a container.
func probeNet(args []string) int {
	switch args[0] {
	case "serve":
		return probeServe(args[1])
	case "dial":
		each(args[1:], func(to string) string {
			network, addr, _ := strings.Cut(to, "|")
			return to + " " + probeDial(network, addr)
		})
	case "scan":
		ports := make([]string, 65535)
		for i := range ports {
			ports[i] = net.JoinHostPort(args[1], strconv.Itoa(i+1))
		}
		each(ports, func(addr string) string {
			c, err := net.DialTimeout("tcp", addr, 5*time.Second)
			if err != nil {
				return ""
			}
			c.Close()
			return addr
		})
	case "lookup":
		addrs, err := net.LookupHost(args[1])
		fmt.Println(addrs, err)
	case "noise":
		n, _ := strconv.Atoi(args[1])
		return report(probeNoise(n))
	case "spoof":
		return report(probeSpoof(args[1:]))
	case "sniff":
		return report(probeSniff())
	case "last":
		return report(probeLast(args[1]))
	case "tables":
		text, err := tables()
		fmt.Print(text)
		return report(err)
	case "craft":
		return report(probeCraft(args[1:]))
	}
	return 0
}

func report(err error) int {
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// each calls f with all, many at a time, and prints what it returns.
func each(all []string, f func(string) string) {
	var wait sync.WaitGroup
	slots := make(chan struct{}, 200)
	for _, a := range all {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			if s := f(a); s != "" {
				fmt.Println(s)
			}
		})
	}
	wait.Wait()
}

// probeServe tells visitors who they are.
func probeServe(port string) int {
	l, err := net.Listen("tcp4", ":"+port)
	if err != nil {
		return report(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return report(err)
		}
		host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		fmt.Fprint(c, host)
		c.Close()
	}
}

// probeDial says something and prints what comes back.
func probeDial(network, addr string) string {
	c, err := net.DialTimeout(network, addr, 3*time.Second)
	if err != nil {
		return "error"
	}
	defer c.Close()
	limit := 3 * time.Second
	if network == "udp" {
		limit = time.Second
	}
	_ = c.SetDeadline(time.Now().Add(limit))
	fmt.Fprint(c, "hello")
	if network == "udp" {
		buf := make([]byte, 64)
		n, err := c.Read(buf)
		if err != nil {
			return "silence"
		}
		return string(buf[:n])
	}
	text, _ := io.ReadAll(c)
	return "connected " + string(text)
}

// wire opens a packet socket on eth0, and returns the hardware address of the
// gateway and of the container.
func wire() (fd int, gateway, own net.HardwareAddr, err error) {
	i, err := net.InterfaceByName("eth0")
	if err != nil {
		return -1, nil, nil, err
	}
	table, err := os.ReadFile("/proc/net/arp")
	if err != nil {
		return -1, nil, nil, err
	}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) == 6 && f[5] == "eth0" {
			gateway, _ = net.ParseMAC(f[3])
		}
	}
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, nil, nil, fmt.Errorf("packet socket: %w", err)
	}
	return fd, gateway, i.HardwareAddr, unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: i.Index})
}

// probeNoise writes frames of any kind; most of them are nearly right.
func probeNoise(n int) error {
	fd, gateway, own, err := wire()
	if err != nil {
		return err
	}
	for i := range n {
		frame := make([]byte, 14+rand.IntN(1400))
		for k := range frame {
			frame[k] = byte(rand.Uint32())
		}
		if i%8 != 0 {
			copy(frame, gateway)
			if i%3 == 0 { // to another member
				frame[5] = byte(rand.IntN(8))
			}
			copy(frame[6:], own)
			copy(frame[12:], [][]byte{{8, 0}, {8, 0}, {8, 6}, {0x86, 0xdd}}[rand.IntN(4)])
		}
		if ip := frame[14:]; frame[12] == 8 && frame[13] == 0 && len(ip) > 24 {
			packet(ip, netip.AddrFrom4([4]byte(own[2:])), netip.AddrFrom4([4]byte{192, 0, 2, byte(rand.IntN(4))}), []byte{1, 6, 17, 2, 58, 0}[rand.IntN(6)])
		}
		if err := unix.Send(fd, frame, 0); err != nil && err != unix.ENOBUFS && err != unix.EINVAL {
			return err
		}
	}
	return nil
}

// packet fills in an IPv4 header.
func packet(ip []byte, src, dst netip.Addr, proto byte) {
	ip[0] = 0x45
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	ip[6], ip[7], ip[8], ip[9], ip[10], ip[11] = 0, 0, 64, proto, 0, 0
	copy(ip[12:], src.AsSlice())
	copy(ip[16:], dst.AsSlice())
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum))
}

// probeCraft asks for connections that no kernel would ask for: straight on the
// wire, to the addresses given, in the container's name and in others'.
func probeCraft(to []string) error {
	fd, gateway, own, err := wire()
	if err != nil {
		return err
	}
	self := netip.AddrFrom4([4]byte(own[2:]))
	for _, a := range to {
		dst, err := netip.ParseAddrPort(a)
		if err != nil {
			return err
		}
		syn := make([]byte, 20)
		binary.BigEndian.PutUint16(syn, 40000)
		binary.BigEndian.PutUint16(syn[2:], dst.Port())
		syn[12], syn[13], syn[14] = 5<<4, 2, 0xff
		for _, src := range []netip.Addr{self, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("0.0.0.0"), dst.Addr()} {
			frame := append(append([]byte(nil), gateway...), own...)
			if dst.Addr().Is4() {
				if !src.Is4() {
					continue
				}
				ip := append(make([]byte, 20), syn...)
				packet(ip, src, dst.Addr(), unix.IPPROTO_TCP)
				frame = append(append(frame, 8, 0), ip...)
			} else {
				ip := make([]byte, 40)
				ip[0], ip[5], ip[6], ip[7] = 0x60, 20, unix.IPPROTO_TCP, 64
				from, into := src.As16(), dst.Addr().As16()
				copy(ip[8:], from[:])
				copy(ip[24:], into[:])
				frame = append(append(append(frame, 0x86, 0xdd), ip...), syn...)
			}
			if err := unix.Send(fd, frame, 0); err != nil {
				return fmt.Errorf("send: %w", err)
			}
		}
	}
	return nil
}
