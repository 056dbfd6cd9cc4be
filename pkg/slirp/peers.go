// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Frames between members of a network go from supervisor to supervisor, each
// as one datagram: the virtio_net_hdr that the packet socket gave, and the
// frame. No process is shared: every supervisor is one port of the switch.
const (
	vnetHeader  = 10 // struct virtio_net_hdr
	etherHeader = 14
	maxFrame    = vnetHeader + etherHeader + 65535
)

// peerSwitch carries frames between a wire and the sockets of other members.
type peerSwitch struct {
	wire   *os.File // the packet socket for other members' frames
	member *Membership
	done   chan struct{}
	loops  sync.WaitGroup

	mu    sync.Mutex
	peers map[netip.Addr]*peer
}

// peer is another member, with a queue of its own: a slow one holds up nobody
// else.
type peer struct {
	queue chan []byte
}

const (
	queueLength = 64
	// peerWait is how long a datagram waits for a reader: a socket takes eleven
	// of them at a time (net.unix.max_dgram_qlen).
	peerWait = 200 * time.Millisecond
)

var frames = sync.Pool{New: func() any { b := make([]byte, maxFrame); return &b }}

// newPeerSwitch starts to carry; fd stays the caller's to close after close.
func newPeerSwitch(fd int, m *Membership) *peerSwitch {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		own = -1 // reading fails, and with it the loop
	}
	s := &peerSwitch{wire: os.NewFile(uintptr(own), "wire"), member: m, done: make(chan struct{}), peers: map[netip.Addr]*peer{}}
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
		case isARP(ether): // never passed on: the records are the truth
			s.answerARP(ether)
		case !s.genuine(ether):
		case ether[0]&1 == 0: // unicast
			if dst, ok := addressOf(ether[:6]); ok {
				s.send(dst, frame)
			}
		default: // broadcast and multicast are for all
			for _, dst := range s.member.others() {
				s.send(dst, frame)
			}
		}
	}
}

// genuine reports whether a frame is IPv4 in the container's own name. One with
// NET_RAW could write other addresses into it.
func (s *peerSwitch) genuine(ether []byte) bool {
	const ipHeader = 20
	own := s.member.Self.Addr
	if len(ether) < etherHeader+ipHeader || ether[12] != 0x08 || ether[13] != 0x00 {
		return false
	}
	src := ether[etherHeader+12 : etherHeader+16]
	return bytes.Equal(ether[6:12], hardwareAddr(own)) && netip.AddrFrom4([4]byte(src)) == own
}

// addressOf is the inverse of hardwareAddr.
func addressOf(mac []byte) (netip.Addr, bool) {
	if mac[0] != 0x02 || mac[1] != 0x42 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(mac[2:6])), true
}

// send queues a frame for a member. When the queue is full the frame is lost,
// as on any network.
func (s *peerSwitch) send(dst netip.Addr, frame []byte) {
	s.mu.Lock()
	p := s.peers[dst]
	if p == nil {
		if !s.member.knows(dst) {
			s.mu.Unlock()
			return
		}
		p = &peer{queue: make(chan []byte, queueLength)}
		s.peers[dst] = p
		s.loops.Go(func() { s.deliver(dst, p) })
	}
	s.mu.Unlock()
	buf := frames.Get().(*[]byte)
	select {
	case p.queue <- append((*buf)[:0], frame...):
	default:
		frames.Put(buf)
	}
}

// deliver sends the queue of one peer, until it is gone.
func (s *peerSwitch) deliver(dst netip.Addr, p *peer) {
	defer func() {
		s.mu.Lock()
		delete(s.peers, dst)
		s.mu.Unlock()
	}()
	conn, err := s.member.dial(dst)
	if err != nil {
		return
	}
	defer conn.Close()
	idle := time.NewTimer(time.Minute)
	defer idle.Stop()
	for {
		select {
		case frame := <-p.queue:
			_ = conn.SetWriteDeadline(time.Now().Add(peerWait))
			_, err := conn.Write(frame)
			whole := frame[:cap(frame)]
			frames.Put(&whole)
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				return // it has left, or is another process now
			}
			idle.Reset(time.Minute)
		case <-idle.C:
			return
		case <-s.done:
			return
		}
	}
}

// inbound writes what other members send to the container.
func (s *peerSwitch) inbound() {
	buf := make([]byte, maxFrame)
	for {
		n, err := s.member.conn.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n < vnetHeader+etherHeader {
			continue
		}
		_, _ = s.wire.Write(buf[:n]) // a frame that the container does not take is lost
	}
}

// ARP for IPv4 over Ethernet (RFC 826): 28 bytes behind the Ethernet header.
const arpLength = 28

func isARP(ether []byte) bool {
	return len(ether) >= etherHeader+arpLength && ether[12] == 0x08 && ether[13] == 0x06
}

// answerARP answers in the name of the member that is asked for.
func (s *peerSwitch) answerARP(ether []byte) {
	arp := ether[etherHeader : etherHeader+arpLength]
	const request = 1
	if arp[6] != 0 || arp[7] != request {
		return
	}
	asked := netip.AddrFrom4([4]byte(arp[24:28]))
	if !s.member.knows(asked) {
		return
	}
	mac := hardwareAddr(asked)
	reply := make([]byte, vnetHeader+etherHeader+arpLength)
	out := reply[vnetHeader:]
	copy(out[0:6], arp[8:14]) // to who asks
	copy(out[6:12], mac)
	out[12], out[13] = 0x08, 0x06
	body := out[etherHeader:]
	copy(body[0:6], arp[0:6]) // Ethernet, IPv4, and their lengths
	body[7] = 2               // reply
	copy(body[8:14], mac)
	copy(body[14:18], arp[24:28])
	copy(body[18:24], arp[8:14])
	copy(body[24:28], arp[14:18])
	_, _ = s.wire.Write(reply)
}
