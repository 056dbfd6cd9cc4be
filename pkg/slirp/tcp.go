// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"context"
	"errors"
	"io"
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
func (n *Network) acceptTCP(r *tcp.ForwarderRequest) {
	n.links.Add(1)
	defer n.links.Done()
	id := r.ID()
	if id.LocalPort == 53 && addrOf(id.LocalAddress) == n.cfg.DNS && n.knowsNames() {
		n.acceptDNSOverTCP(r)
		return
	}
	conn, err := n.dialTCP(netip.AddrPortFrom(addrOf(id.LocalAddress), id.LocalPort))
	if err != nil {
		n.refuse(r, err)
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
	guest := gonet.NewTCPConn(&wq, ep)
	defer guest.Close()
	stop := context.AfterFunc(n.closing(), func() { host.Close() })
	defer stop()
	var both sync.WaitGroup
	both.Add(1)
	go func() {
		defer both.Done()
		carry(host, guest, func() { cut(host); ep.Abort() })
	}()
	carry(guest, host, func() { ep.Abort(); cut(host) })
	both.Wait()
}

var errClosedByPolicy = errors.New("destination is closed to containers")

func (n *Network) dialTCP(dst netip.AddrPort) (*net.TCPConn, error) {
	if dst.Addr() == n.cfg.DNS && dst.Port() == 53 {
		return n.dialDNS()
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

// halfCloser is what both of our kinds of connection can do.
type halfCloser interface {
	io.ReadWriter
	CloseWrite() error
}

const smallBuffer, largeBuffer = 16 << 10, 256 << 10

var (
	smallBuffers = sync.Pool{New: func() any { b := make([]byte, smallBuffer); return &b }}
	largeBuffers = sync.Pool{New: func() any { b := make([]byte, largeBuffer); return &b }}
)

// carry copies until the end of from, and then says so to to. A connection
// that was cut is cut on the other side too, by abort. Buffers grow with the
// traffic: thousands of idle connections are cheap, and busy ones fast.
func carry(to, from halfCloser, abort func()) {
	small := smallBuffers.Get().(*[]byte)
	defer smallBuffers.Put(small)
	buf := *small
	for {
		k, err := from.Read(buf)
		if k > 0 {
			if _, werr := to.Write(buf[:k]); werr != nil {
				abort()
				return
			}
		}
		switch {
		case err == io.EOF:
			_ = to.CloseWrite()
			return
		case err != nil:
			abort()
			return
		case k == smallBuffer && len(buf) == smallBuffer:
			large := largeBuffers.Get().(*[]byte)
			defer largeBuffers.Put(large)
			buf = *large
		}
	}
}

// closing is a context that ends when the network is closed.
func (n *Network) closing() context.Context { return closeContext{n.done} }

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
