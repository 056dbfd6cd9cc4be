// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Frames between the members of a segment go from process to process, each as
// one datagram: the virtio_net_hdr that the packet socket gave, and the frame. No
// process is shared: every one of them is one port of the switch.
//
// A process gives others a socket by which they put frames on its container's
// wire themselves: then it has no part in what its container receives.
// Sizes in bytes.
const (
	VnetHeader  = 10 // struct virtio_net_hdr
	EtherHeader = 14
	MaxFrame    = VnetHeader + EtherHeader + 65535
)

// Peers says who else is on a segment, and where a process listens for their
// frames. It is asked from several goroutines at once.
type Peers interface {
	// ByMAC and ByAddr find another member of the segment.
	ByMAC(MAC) (Peer, bool)
	ByAddr(netip.Addr) (Peer, bool)
	// Others are the hardware addresses of all other members.
	Others() []MAC
	// Dial connects to the socket of another member.
	Dial(MAC) (*net.UnixConn, error)
	// Conn is where frames of others arrive; who carries them closes it.
	Conn() *net.UnixConn
}

// Peer is another member of a segment. Who has its address later has another
// time of joining.
type Peer struct {
	MAC   MAC
	Since time.Time
}

// Switch carries frames between a wire and the other members of its segment.
type Switch struct {
	wire  Wire
	own   Config
	peers Peers
	conn  *net.UnixConn
	done  chan struct{}
	loops sync.WaitGroup

	opening sync.Mutex  // of the two that follow, until opened
	opened  atomic.Bool // somebody else has been met
	sent    *os.File    // what the container sends to others
	entry   int         // by which they send; -1: there is none

	mu    sync.Mutex
	ports map[MAC]*port
}

// port leads to another member. Until its wire is known, and when it gives none,
// frames wait in a queue of its own: a slow one holds up nobody else.
type port struct {
	since time.Time // which of those who had the address one after the other
	seen  time.Time // when that was known last
	queue chan []byte
	used  bool
	wire  int // its packet socket; -1: there is none
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

var frames = sync.Pool{New: func() any { b := make([]byte, MaxFrame); return &b }}

// NewSwitch starts to carry frames between a wire and peers, in the name of whom
// own is. The wire stays the caller's to close, after the switch.
func NewSwitch(w Wire, own Config, peers Peers) *Switch {
	s := &Switch{wire: w, own: own, peers: peers, conn: peers.Conn(), done: make(chan struct{}), entry: -1, ports: map[MAC]*port{}}
	if w.tap != nil { // which sorts frames from the beginning
		s.open()
	}
	s.loops.Go(s.inbound)
	return s
}

// Close ends the switch, and closes the peers' Conn.
func (s *Switch) Close() {
	s.opening.Lock()
	close(s.done)
	if s.opened.Load() {
		s.sent.Close()
	}
	s.opening.Unlock()
	s.conn.Close()
	s.loops.Wait()
	if s.entry >= 0 {
		unix.Close(s.entry)
	}
}

// toContainer puts a frame on the container's end of the wire. What it does not take
// is lost.
func (s *Switch) toContainer(frame []byte) { _, _ = unix.Write(s.wire.Stack, frame) }

// outbound reads what the container sends.
func (s *Switch) outbound() {
	buf := make([]byte, MaxFrame)
	for {
		n, err := s.sent.Read(buf)
		if errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrInvalid) {
			return
		}
		if err != nil || n < VnetHeader+EtherHeader {
			continue // a frame that the kernel cannot describe is lost
		}
		frame := buf[:n]
		ether := frame[VnetHeader:]
		switch {
		case isARP(ether):
			s.answerARP(ether)
		case isDiscovery(ether):
			s.answerSolicitation(ether)
		case !s.genuine(ether):
		case ether[0]&1 == 0: // unicast
			s.send(MAC(ether[:6]), frame)
		default: // broadcast and multicast are for all
			s.sendAll(s.peers.Others(), frame)
		}
	}
}

func (s *Switch) sendAll(others []MAC, frame []byte) {
	for _, dst := range others {
		s.send(dst, frame)
	}
}

// genuine reports whether a frame is IP in the container's own name. One with
// NET_RAW could write other addresses into it.
func (s *Switch) genuine(ether []byte) bool {
	if MAC(ether[6:12]) != s.own.MAC {
		return false
	}
	packet := ether[EtherHeader:]
	switch etherType(ether) {
	case unix.ETH_P_IP:
		return len(packet) >= header.IPv4MinimumSize && netip.AddrFrom4([4]byte(packet[12:16])) == s.own.Address.Addr()
	case unix.ETH_P_IPV6:
		if len(packet) < header.IPv6MinimumSize || netip.AddrFrom16([16]byte(packet[8:24])) != s.own.Address6.Addr() {
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
func (s *Switch) send(dst MAC, frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, now := s.ports[dst], time.Now()
	if p != nil && p.wire >= 0 {
		if p.used = true; s.same(dst, p, now) && put(p.wire, frame) {
			return
		}
		s.forget(dst, p) // somebody else may be there now
		p = nil
	}
	if p == nil {
		o, ok := s.peers.ByMAC(dst)
		if !ok {
			return
		}
		p = &port{since: o.Since, seen: now, queue: make(chan []byte, queueLength), wire: -1}
		s.ports[dst] = p
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
func (s *Switch) same(dst MAC, p *port, now time.Time) bool {
	if now.Sub(p.seen) < peerSure {
		return true
	}
	p.seen = now
	o, ok := s.peers.ByMAC(dst)
	return ok && o.Since.Equal(p.since)
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
func (s *Switch) forget(dst MAC, p *port) {
	if s.ports[dst] == p {
		delete(s.ports, dst)
	}
	if p.wire >= 0 {
		unix.Close(p.wire)
		p.wire = -1
	}
}

// deliver finds a peer's wire, or else sends its queue, until it is gone.
func (s *Switch) deliver(dst MAC, p *port) {
	defer func() {
		s.mu.Lock()
		s.forget(dst, p)
		s.mu.Unlock()
	}()
	conn, err := s.peers.Dial(dst)
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
			used := p.used && s.ports[dst] == p
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
func (s *Switch) take(p *port, wire int) {
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
func (s *Switch) inbound() {
	buf, oob := make([]byte, MaxFrame), make([]byte, unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := s.conn.ReadMsgUnix(buf, oob)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
		case oobn > 0:
			s.open()
			giveWire(oob[:oobn], s.entry)
		case n >= VnetHeader+EtherHeader:
			s.toContainer(buf[:n])
		}
	}
}
