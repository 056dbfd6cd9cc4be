// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"coracle/pkg/slirp/sockaddr"
)

// request is a connection that the container asks for (RFC 9293, 3.4).
type request struct {
	quoted []byte // the beginning of the packet, as an ICMP error quotes it
	seq    uint32
	window uint16
	opts   header.TCPSynOptions
}

// adopts reports whether the kernel carries a connection, as requestsAlone says
// it.
func (n *Network) adopts(id stack.TransportEndpointID) bool {
	src, dst := addrOf(id.RemoteAddress), addrOf(id.LocalAddress)
	return n.wire.kernel != nil && (src == n.cfg.Address.Addr() || src == n.cfg.Address6.Addr()) &&
		dst != n.cfg.Gateway && dst != n.cfg.DNS && dst != n.cfg.Gateway6
}

// windowScale is what our side's windows are counted in (RFC 7323): 2^8 bytes.
const windowScale = 8

// adopt answers a request whose host's side is conn, and has the kernel carry
// the connection. It takes conn over.
func (n *Network) adopt(conn *net.TCPConn, id stack.TransportEndpointID, r request) error {
	defer conn.Close()
	loop, err := n.wire.kernel.loop()
	if err != nil {
		return err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	host := -1
	if cerr := raw.Control(func(fd uintptr) { host, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); cerr != nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	isn := rand.Uint32()
	err = loop.Carry(host, mostAdopted()/loopCount(), func() (int, error) {
		fd, err := n.establish(id, r, isn)
		if err == nil {
			n.sendSynAck(id, r, isn) // before anything that the socket says
		}
		return fd, err
	})
	if err != nil {
		unix.Close(host)
	}
	return err
}

// mostAdopted is how many connections the kernel carries at a time: their sockets,
// two each, take three quarters of the descriptors, and the rest is for everything
// else that the process does. Requests beyond are not heard.
var mostAdopted = sync.OnceValue(func() int {
	var l unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &l)
	return int(min(l.Cur/8*3, 1<<20))
})

// From linux/tcp.h.
const (
	repairOff        = 0
	repairOffSilent  = -1 // without a window probe, Linux 4.19
	recvQueue        = 1
	sendQueue        = 2
	tcpRepairWindow  = 29
	optMSS           = 2
	optWindow        = 3
	optSACKPermitted = 4
)

type repairOption struct{ code, value uint32 }

type repairWindow struct{ sndWl1, sndWnd, maxWindow, rcvWnd, rcvWup uint32 }

// firstWindow is the window of our answer to a request, in bytes.
const firstWindow = 65535

// establish makes a socket, in the current thread's namespace, of a connection
// whose handshake is ours.
func (n *Network) establish(id stack.TransportEndpointID, r request, isn uint32) (int, error) {
	local := netip.AddrPortFrom(addrOf(id.LocalAddress), id.LocalPort)
	fd, err := repairing(local.Addr())
	if err != nil {
		return -1, err
	}
	err = r.restore(fd, local, netip.AddrPortFrom(addrOf(id.RemoteAddress), id.RemotePort), isn)
	if err == nil {
		err = repaired(fd)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// tryRepair does with a connection that nobody has asked for what establish does,
// short of saying anything.
func tryRepair(container netip.Addr) error {
	local := netip.AddrFrom4([4]byte{192, 0, 2, 1}) // RFC 5737, RFC 3849: of nobody
	if container.Is6() {
		local = netip.MustParseAddr("2001:db8::1")
	}
	fd, err := repairing(local)
	if err != nil {
		return err
	}
	defer unix.Close(fd) // under repair: in silence
	r := request{window: firstWindow, opts: header.TCPSynOptions{MSS: header.TCPDefaultMSS, WS: windowScale, SACKPermitted: true}}
	return r.restore(fd, netip.AddrPortFrom(local, 9), netip.AddrPortFrom(container, 9), 0)
}

// repaired ends the repair. Before Linux 4.19 that is told to the other side, by a
// packet that means nothing.
func repaired(fd int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_REPAIR, repairOffSilent)
	if err == unix.EINVAL || err == unix.EPERM {
		err = unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_REPAIR, repairOff)
	}
	return os.NewSyscallError("TCP_REPAIR", err)
}

// repairing is a socket that may be put into any state, and that has any address
// for its own.
func repairing(local netip.Addr) (int, error) {
	level, transparent := unix.SOL_IP, unix.IP_TRANSPARENT
	if local.Is6() {
		level, transparent = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	}
	fd, err := unix.Socket(sockaddr.Domain(local), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	for _, o := range [][3]int{
		{level, transparent, 1}, {unix.SOL_SOCKET, unix.SO_MARK, adoptedMark}, {unix.SOL_TCP, unix.TCP_NODELAY, 1}, {unix.SOL_TCP, unix.TCP_REPAIR, 1},
		// Whoever is gone without a word is noticed.
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1}, {unix.SOL_TCP, unix.TCP_KEEPIDLE, 300}, {unix.SOL_TCP, unix.TCP_KEEPINTVL, 15},
	} {
		if err := unix.SetsockoptInt(fd, o[0], o[1], o[2]); err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("setsockopt %d: %w", o[1], err)
		}
	}
	return fd, nil
}

// restore gives a socket the state that it has when the handshake is over; it stays
// under repair.
func (r request) restore(fd int, local, remote netip.AddrPort, isn uint32) error {
	for _, o := range [][2]int{
		{unix.TCP_REPAIR_QUEUE, sendQueue}, {unix.TCP_QUEUE_SEQ, int(int32(isn + 1))},
		{unix.TCP_REPAIR_QUEUE, recvQueue}, {unix.TCP_QUEUE_SEQ, int(int32(r.seq + 1))},
	} {
		if err := unix.SetsockoptInt(fd, unix.SOL_TCP, o[0], o[1]); err != nil {
			return fmt.Errorf("setsockopt %d: %w", o[0], err)
		}
	}
	if err := unix.Bind(fd, sockaddr.Of(local)); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if err := unix.Connect(fd, sockaddr.Of(remote)); err != nil { // nothing is sent
		return os.NewSyscallError("connect", err)
	}
	opts := []repairOption{{optMSS, uint32(r.opts.MSS)}}
	if r.opts.WS >= 0 {
		opts = append(opts, repairOption{optWindow, uint32(r.opts.WS) | windowScale<<16})
	}
	if r.opts.SACKPermitted {
		opts = append(opts, repairOption{optSACKPermitted, 0})
	}
	window := uint32(r.window)
	w := repairWindow{sndWl1: r.seq, sndWnd: window, maxWindow: window, rcvWnd: firstWindow, rcvWup: r.seq + 1}
	return errors.Join(
		setsockopt(fd, unix.TCP_REPAIR_OPTIONS, unsafe.Pointer(&opts[0]), uintptr(len(opts))*unsafe.Sizeof(opts[0])),
		setsockopt(fd, tcpRepairWindow, unsafe.Pointer(&w), unsafe.Sizeof(w)),
	)
}

func setsockopt(fd, name int, p unsafe.Pointer, size uintptr) error {
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_TCP, uintptr(name), uintptr(p), size, 0)
	if errno != 0 {
		return fmt.Errorf("setsockopt %d: %w", name, errno)
	}
	return nil
}

// sendSynAck accepts a request.
func (n *Network) sendSynAck(id stack.TransportEndpointID, r request, isn uint32) {
	netProto, overhead := ipv4.ProtocolNumber, header.IPv4MinimumSize+header.TCPMinimumSize
	if addrOf(id.LocalAddress).Is6() {
		netProto, overhead = ipv6.ProtocolNumber, header.IPv6MinimumSize+header.TCPMinimumSize
	}
	route, terr := n.stack.FindRoute(nicID, id.LocalAddress, id.RemoteAddress, netProto, false)
	if terr != nil {
		return
	}
	defer route.Release()
	var opts [12]byte
	size := header.EncodeMSSOption(uint32(n.cfg.MTU-overhead), opts[:])
	if r.opts.WS >= 0 {
		size += header.EncodeNOP(opts[size:])
		size += header.EncodeWSOption(windowScale, opts[size:])
	}
	if r.opts.SACKPermitted {
		size += header.EncodeNOP(opts[size:])
		size += header.EncodeNOP(opts[size:])
		size += header.EncodeSACKPermittedOption(opts[size:])
	}
	length := header.TCPMinimumSize + size
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{ReserveHeaderBytes: int(route.MaxHeaderLength()) + length})
	defer pkt.DecRef()
	h := header.TCP(pkt.TransportHeader().Push(length))
	pkt.TransportProtocolNumber = tcp.ProtocolNumber
	h.Encode(&header.TCPFields{
		SrcPort: id.LocalPort, DstPort: id.RemotePort, SeqNum: isn, AckNum: r.seq + 1, DataOffset: uint8(length),
		Flags: header.TCPFlagSyn | header.TCPFlagAck, WindowSize: firstWindow,
	})
	copy(h[header.TCPMinimumSize:], opts[:size])
	sum := header.PseudoHeaderChecksum(tcp.ProtocolNumber, id.LocalAddress, id.RemoteAddress, uint16(length))
	h.SetChecksum(^h.CalculateChecksum(sum))
	_ = route.WritePacket(stack.NetworkHeaderParams{Protocol: tcp.ProtocolNumber, TTL: 64}, pkt)
}
