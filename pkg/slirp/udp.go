// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	// maxFlows bounds the UDP conversations of one container; it is the number
	// of sockets they may hold on the host.
	maxFlows = 4096
	// flowIdle is how long a silent conversation is kept: the kernel's own
	// nf_conntrack_udp_timeout_stream.
	flowIdle = 120 * time.Second
	dnsIdle  = 10 * time.Second
)

// flowTable counts conversations.
type flowTable struct {
	now  atomic.Int32
	max  int32
	idle time.Duration // how long a silent one is kept
}

func (t *flowTable) enter() bool {
	if t.now.Add(1) <= t.max {
		return true
	}
	t.now.Add(-1)
	return false
}

func (t *flowTable) leave() { t.now.Add(-1) }

// acceptUDP begins a conversation. What may not be reached is answered by an
// ICMP error, which the stack sends when the packet is not taken.
func (n *Link) acceptUDP(r *udp.ForwarderRequest) bool {
	id := r.ID()
	dst := netip.AddrPortFrom(addrOf(id.LocalAddress), id.LocalPort)
	if dst.Addr() == n.cfg.DNS && dst.Port() == 53 {
		return n.acceptDNS(r)
	}
	addr, ok := n.cfg.target(dst.Addr())
	if !ok || !n.flows.enter() {
		return false
	}
	f := &flow{n: n, id: id}
	var err error
	if f.host, f.port, err = n.outer.dial(netip.AddrPortFrom(addrOf(id.RemoteAddress), id.RemotePort), netip.AddrPortFrom(addr, dst.Port())); err != nil {
		n.flows.leave()
		return false
	}
	ep, terr := r.CreateEndpoint(&f.wq)
	if terr != nil {
		f.host.Close()
		n.outer.leave(f.port)
		n.flows.leave()
		return false
	}
	f.ep = ep
	f.used.Store(time.Now().UnixNano())
	n.busy.Add(2)
	go f.outbound()
	go f.inbound()
	return true
}

// flow is one conversation between the container and one address.
type flow struct {
	n    *Link
	id   stack.TransportEndpointID
	host *net.UDPConn
	port *outerPort
	wq   waiter.Queue
	ep   tcpip.Endpoint
	used atomic.Int64 // when it last moved, in nanoseconds
	once sync.Once
}

func (f *flow) close() {
	f.once.Do(func() {
		f.host.Close()
		f.ep.Close()
		f.n.outer.leave(f.port)
		f.n.flows.leave()
	})
}

// refused ends the conversation before the container hears why, and asks anew.
func (f *flow) refused() {
	f.close()
	f.n.refuseDatagram(f.id)
}

// outbound carries what the container sends, and ends the conversation when
// it has been silent for long.
func (f *flow) outbound() {
	defer f.n.busy.Done()
	defer f.close()
	var b bytes.Buffer
	f.n.packets(f.ep, &f.wq, &b, func() bool {
		return time.Since(time.Unix(0, f.used.Load())) < f.n.flows.idle
	}, func() bool {
		f.used.Store(time.Now().UnixNano())
		_, err := f.host.Write(b.Bytes())
		if errors.Is(err, unix.ECONNREFUSED) { // what was sent before this was
			f.refused()
			return false
		}
		return !errors.Is(err, net.ErrClosed)
	})
}

// packets reads datagrams of ep into b and calls each, until one of the
// functions says no, or the endpoint or the network is closed.
func (n *Link) packets(ep tcpip.Endpoint, wq *waiter.Queue, b *bytes.Buffer, alive, each func() bool) {
	entry, ready := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventHUp | waiter.EventErr)
	wq.EventRegister(&entry)
	defer wq.EventUnregister(&entry)
	tick := time.NewTicker(n.flows.idle / 12)
	defer tick.Stop()
	for {
		b.Reset()
		_, err := ep.Read(b, tcpip.ReadOptions{})
		if err == nil {
			if !each() {
				return
			}
			continue
		}
		if _, again := err.(*tcpip.ErrWouldBlock); !again {
			return
		}
		select {
		case <-ready:
		case <-tick.C:
			if !alive() {
				return
			}
		case <-n.done:
			return
		}
	}
}

var datagrams = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// inbound carries what comes back. A buffer is held only while there is
// something in it: there may be thousands of conversations.
func (f *flow) inbound() {
	defer f.n.busy.Done()
	defer f.close()
	raw, err := f.host.SyscallConn()
	if err != nil {
		return
	}
	for {
		var rerr error
		var buf *[]byte
		var k int
		err := raw.Read(func(fd uintptr) bool {
			buf = datagrams.Get().(*[]byte)
			k, _, rerr = unix.Recvfrom(int(fd), *buf, unix.MSG_DONTWAIT)
			if rerr == unix.EAGAIN {
				datagrams.Put(buf)
				return false
			}
			return true
		})
		if err != nil {
			return
		}
		if rerr == nil {
			f.used.Store(time.Now().UnixNano())
			_, terr := f.ep.Write(bytes.NewReader((*buf)[:k]), tcpip.WriteOptions{})
			_, again := terr.(*tcpip.ErrWouldBlock)
			if terr != nil && !again {
				datagrams.Put(buf)
				return
			}
		}
		datagrams.Put(buf)
		if rerr == unix.ECONNREFUSED {
			f.refused()
		}
		if rerr != nil && rerr != unix.EINTR {
			return // the next packet begins anew
		}
	}
}

// acceptDNS answers questions by asking the host's servers.
func (n *Link) acceptDNS(r *udp.ForwarderRequest) bool {
	if !n.flows.enter() {
		return false
	}
	var wq waiter.Queue
	ep, terr := r.CreateEndpoint(&wq)
	if terr != nil {
		n.flows.leave()
		return false
	}
	n.busy.Add(1)
	go func() {
		defer n.busy.Done()
		defer n.flows.leave()
		defer ep.Close()
		var pending sync.WaitGroup
		defer pending.Wait()
		last := time.Now()
		var b bytes.Buffer
		n.packets(ep, &wq, &b, func() bool { return time.Since(last) < dnsIdle }, func() bool {
			last = time.Now()
			if !n.flows.enter() {
				return true // a question lost is a question asked again
			}
			question := bytes.Clone(b.Bytes())
			pending.Add(1)
			go func() {
				defer pending.Done()
				defer n.flows.leave()
				if answer := n.dns.Ask(question); answer != nil {
					ep.Write(bytes.NewReader(answer), tcpip.WriteOptions{})
				}
			}()
			return true
		})
	}()
	return true
}
