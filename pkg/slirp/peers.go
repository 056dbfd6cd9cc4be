// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Frames between members of a network go from supervisor to supervisor, each
// as one datagram: the virtio_net_hdr that the packet socket gave, and the
// frame. No process is shared: every supervisor is one port of the switch.
//
// A supervisor gives others a socket by which they put frames on its container's
// wire themselves: then it has no part in what its container receives.
const (
	vnetHeader  = 10 // struct virtio_net_hdr
	etherHeader = 14
	maxFrame    = vnetHeader + etherHeader + 65535
)

// peerSwitch carries frames between a wire and other members.
type peerSwitch struct {
	wire   *os.File // the packet socket for other members' frames
	entry  int      // what others are given; -1: nothing
	member *Membership
	done   chan struct{}
	loops  sync.WaitGroup

	mu    sync.Mutex
	peers map[MAC]*peer
}

// peer is another member. Until its wire is known, and when it gives none, frames
// wait in a queue of its own: a slow one holds up nobody else.
type peer struct {
	joined time.Time // which of those who had the address one after the other
	seen   time.Time // when that was known last
	queue  chan []byte
	used   bool
	wire   int // its packet socket; -1: there is none
}

const (
	queueLength = 64
	// peerWait is how long a datagram waits for a reader: a socket takes eleven
	// of them at a time (net.unix.max_dgram_qlen).
	peerWait = 200 * time.Millisecond
	// peerSure is how long a peer is taken for the one it was. The wire of one that
	// was killed may be there for minutes: connections that its kernel has not
	// ended yet hold the namespace.
	peerSure = 20 * time.Millisecond
	// peerIdle is how long a peer that nothing is sent to stays known.
	peerIdle = time.Minute
)

var frames = sync.Pool{New: func() any { b := make([]byte, maxFrame); return &b }}

// newPeerSwitch starts to carry; fd and entry stay the caller's to close after
// close.
func newPeerSwitch(fd, entry int, m *Membership) *peerSwitch {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		own = -1 // reading fails, and with it the loop
	}
	s := &peerSwitch{wire: os.NewFile(uintptr(own), "wire"), entry: entry, member: m, done: make(chan struct{}), peers: map[MAC]*peer{}}
	s.loops.Go(s.outbound)
	s.loops.Go(s.inbound)
	return s
}

func (s *peerSwitch) close() {
	close(s.done)
	s.wire.Close()
	s.member.conn.Close()
	s.loops.Wait()
}

// outbound reads what the container sends.
func (s *peerSwitch) outbound() {
	buf := make([]byte, maxFrame)
	for {
		n, err := s.wire.Read(buf)
		if errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrInvalid) {
			return
		}
		if err != nil || n < vnetHeader+etherHeader {
			continue // a frame that the kernel cannot describe is lost
		}
		frame := buf[:n]
		ether := frame[vnetHeader:]
		switch {
		case isARP(ether):
			s.answerARP(ether)
		case isDiscovery(ether):
			s.answerSolicitation(ether)
		case !s.genuine(ether):
		case ether[0]&1 == 0: // unicast
			s.send(MAC(ether[:6]), frame)
		default: // broadcast and multicast are for all
			for _, dst := range s.member.others() {
				s.send(dst, frame)
			}
		}
	}
}

// genuine reports whether a frame is IP in the container's own name. One with
// NET_RAW could write other addresses into it.
func (s *peerSwitch) genuine(ether []byte) bool {
	own := s.member.Self
	if MAC(ether[6:12]) != own.MAC {
		return false
	}
	packet := ether[etherHeader:]
	switch etherType(ether) {
	case unix.ETH_P_IP:
		return len(packet) >= header.IPv4MinimumSize && netip.AddrFrom4([4]byte(packet[12:16])) == own.Addr
	case unix.ETH_P_IPV6:
		if len(packet) < header.IPv6MinimumSize || netip.AddrFrom16([16]byte(packet[8:24])) != own.Addr6 {
			return false
		}
		// Should there be neighbour discovery behind other headers, nobody
		// takes it with a lower hop limit.
		ip := header.IPv6(packet)
		ip.SetHopLimit(min(ip.HopLimit(), discoveryHops-1))
		return true
	}
	return false
}

// send puts a frame on a member's wire, or in its queue. When that is full the
// frame is lost, as on any network.
func (s *peerSwitch) send(dst MAC, frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, now := s.peers[dst], time.Now()
	if p != nil && p.wire >= 0 {
		if p.used = true; s.same(dst, p, now) && put(p.wire, frame) {
			return
		}
		s.forget(dst, p) // somebody else may be there now
		p = nil
	}
	if p == nil {
		o, ok := s.member.other(dst)
		if !ok {
			return
		}
		p = &peer{joined: o.Joined, seen: now, queue: make(chan []byte, queueLength), wire: -1}
		s.peers[dst] = p
		s.loops.Go(func() { s.deliver(dst, p) })
	}
	p.used = true
	buf := frames.Get().(*[]byte)
	select {
	case p.queue <- append((*buf)[:0], frame...):
	default:
		frames.Put(buf)
	}
}

// same reports whether a peer is still the one at its address.
func (s *peerSwitch) same(dst MAC, p *peer, now time.Time) bool {
	if now.Sub(p.seen) < peerSure {
		return true
	}
	p.seen = now
	o, ok := s.member.other(dst)
	return ok && o.Joined.Equal(p.joined)
}

// put writes a frame to a wire. It reports whether the wire is still there: what
// the kernel does not take is lost.
func put(wire int, frame []byte) bool {
	for {
		switch _, err := unix.Write(wire, frame); err {
		case unix.EINTR:
		case unix.ENXIO, unix.ENODEV, unix.ENETDOWN, unix.EBADF:
			return false
		default:
			return true
		}
	}
}

// forget lets go of a peer.
//
// Preconditions: s.mu is held.
func (s *peerSwitch) forget(dst MAC, p *peer) {
	if s.peers[dst] == p {
		delete(s.peers, dst)
	}
	if p.wire >= 0 {
		unix.Close(p.wire)
		p.wire = -1
	}
}

// deliver finds a peer's wire, or else sends its queue, until it is gone.
func (s *peerSwitch) deliver(dst MAC, p *peer) {
	defer func() {
		s.mu.Lock()
		s.forget(dst, p)
		s.mu.Unlock()
	}()
	conn, err := s.member.dial(dst)
	if err != nil {
		return
	}
	defer conn.Close()
	gone, wires := make(chan struct{}), make(chan int)
	defer close(gone)
	queue := p.queue
	if answer, err := askForWire(conn); err == nil {
		defer answer.Close()
		s.loops.Go(func() { awaitWire(answer, wires, gone) })
		queue = nil
	}
	// Frames wait for the answer a little: sent in another way they would overtake
	// each other.
	patience := time.NewTimer(peerWait)
	defer patience.Stop()
	idle := time.NewTicker(peerIdle)
	defer idle.Stop()
	for {
		select {
		case wire := <-wires:
			if queue = p.queue; wire >= 0 {
				s.take(p, wire)
			}
		case <-patience.C:
			queue = p.queue
		case frame := <-queue:
			if !pass(conn, frame) {
				return
			}
		case <-idle.C:
			s.mu.Lock()
			used := p.used && s.peers[dst] == p
			p.used = false
			s.mu.Unlock()
			if !used {
				return
			}
		case <-s.done:
			return
		}
	}
}

// pass sends a frame as a datagram. It reports whether the member is still there:
// it may have left, or be another process now.
func pass(conn *net.UnixConn, frame []byte) bool {
	_ = conn.SetWriteDeadline(time.Now().Add(peerWait))
	_, err := conn.Write(frame)
	whole := frame[:cap(frame)]
	frames.Put(&whole)
	return err == nil || errors.Is(err, os.ErrDeadlineExceeded)
}

// awaitWire passes the answer to a request on, however long it takes: a member
// that is only just starting, on a busy machine, answers late. Whoever asked closes
// the file, too, when it is gone.
func awaitWire(answer *os.File, to chan<- int, gone <-chan struct{}) {
	wire := receiveWire(answer)
	select {
	case to <- wire:
	case <-gone:
		if wire >= 0 {
			unix.Close(wire)
		}
	}
}

// take has frames go to a peer's wire from now on, first those that have waited.
func (s *peerSwitch) take(p *peer, wire int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(p.queue) > 0 {
		frame := <-p.queue
		put(wire, frame)
		whole := frame[:cap(frame)]
		frames.Put(&whole)
	}
	p.wire = wire
}

// inbound writes what other members send to the container.
func (s *peerSwitch) inbound() {
	buf, oob := make([]byte, maxFrame), make([]byte, unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := s.member.conn.ReadMsgUnix(buf, oob)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
		case oobn > 0:
			s.giveWire(oob[:oobn])
		case n >= vnetHeader+etherHeader:
			_, _ = s.wire.Write(buf[:n]) // a frame that the container does not take is lost
		}
	}
}
