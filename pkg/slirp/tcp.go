// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// acceptTCP carries one connection that the container opens; it runs on a
// goroutine of its own. The host's side comes first: the container is accepted
// by those who would have accepted it, and refused by the others.
func (n *Link) acceptTCP(r *tcp.ForwarderRequest) {
	n.busy.Add(1)
	defer n.busy.Done()
	id := r.ID()
	if id.LocalPort == 53 && addrOf(id.LocalAddress) == n.cfg.DNS && n.dns.KnowsNames() {
		n.answerDNSOverTCP(r)
		return
	}
	conn, err := n.dialTCP(netip.AddrPortFrom(addrOf(id.LocalAddress), id.LocalPort))
	if err != nil {
		n.refuse(r, err)
		return
	}
	if n.kernelCarries(id) {
		_ = n.handOff(conn, id, n.pending.get(id)) // without a descriptor, for one, the container tries again
		r.Complete(false)
		n.pending.done(id)
		return
	}
	defer conn.Close()
	host := &hostConn{TCPConn: conn}
	var wq waiter.Queue
	ep, terr := r.CreateEndpoint(&wq)
	if terr != nil { // the container has given up in the meantime
		_ = host.SetLinger(0)
		r.Complete(true)
		n.pending.done(id)
		return
	}
	r.Complete(false)
	n.pending.done(id)
	ep.SocketOptions().SetDelayOption(false)
	ep.SocketOptions().SetKeepAlive(true)
	guest := &guestConn{gonet.NewTCPConn(&wq, ep), ep, &wq}
	defer guest.Close()
	stop := context.AfterFunc(n.closing(), func() { host.Close() })
	defer stop()
	var both sync.WaitGroup
	both.Go(func() {
		if err := copyHalf(host, guest, guest.giveTo); err != nil {
			cut(host)
			ep.Abort()
		}
	})
	if err := copyHalf(guest, host, guest.takeFrom); err != nil {
		ep.Abort()
		cut(host)
	}
	both.Wait()
}

var errClosedByPolicy = errors.New("destination is closed to containers")

func (n *Link) dialTCP(dst netip.AddrPort) (*net.TCPConn, error) {
	if dst.Addr() == n.cfg.DNS && dst.Port() == 53 {
		return n.dns.Dial()
	}
	addr, ok := n.cfg.target(dst.Addr())
	if !ok {
		return nil, errClosedByPolicy
	}
	ctx, cancel := context.WithCancel(n.closing())
	defer cancel()
	// No limit of our own: the kernel gives up after tcp_syn_retries, and the
	// container may do so earlier. Keep-alive would speak where the container
	// did not.
	d := net.Dialer{KeepAlive: -1}
	c, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, dst.Port()).String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// answerDNSOverTCP answers the questions of one connection. Without names, one is
// carried to a server as it is.
func (n *Link) answerDNSOverTCP(r *tcp.ForwarderRequest) {
	id := r.ID()
	var wq waiter.Queue
	ep, terr := r.CreateEndpoint(&wq)
	r.Complete(terr != nil)
	n.pending.done(id)
	if terr != nil {
		return
	}
	guest := gonet.NewTCPConn(&wq, ep)
	defer guest.Close()
	n.dns.Serve(guest)
}

// closing is a context that ends when the link is closed.
func (n *Link) closing() context.Context { return closeContext{n.done} }

type closeContext struct{ done chan struct{} }

func (c closeContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (c closeContext) Done() <-chan struct{}       { return c.done }
func (c closeContext) Value(any) any               { return nil }
func (c closeContext) Err() error {
	select {
	case <-c.done:
		return context.Canceled
	default:
		return nil
	}
}
