// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/rootless-containers/rootlesskit/v3/pkg/lowlevelmsgutil"
	"github.com/rootless-containers/rootlesskit/v3/pkg/port"
	"github.com/rootless-containers/rootlesskit/v3/pkg/port/builtin/msg"
	opaquekeys "github.com/rootless-containers/rootlesskit/v3/pkg/port/builtin/opaque"
	"golang.org/x/sys/unix"
)

// portChild is the half of rootlesskit's builtin port driver that connects to
// the container's servers. It stands in for rootlesskit's own, which expects a
// process inside the container's namespaces, or a /proc of our pid namespace.
type portChild struct{ sockets *socketMaker }

var _ port.ChildDriver = (*portChild)(nil)

// RunChildDriver serves the parent half until quit. The keys of opaque are the
// driver's.
func (p *portChild) RunChildDriver(opaque map[string]string, quit <-chan struct{}, _ string) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: opaque[opaquekeys.SocketPath], Net: "unix"})
	if err != nil {
		return err
	}
	ready, err := os.OpenFile(opaque[opaquekeys.ChildReadyPipePath], os.O_WRONLY, 0)
	if err != nil {
		l.Close()
		return err
	}
	ready.Close() // which is the message
	go func() {
		<-quit
		l.Close()
	}()
	for {
		c, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			continue // no descriptor is free: the next one may find one
		}
		go func() {
			defer c.Close()
			if err := p.serve(c); err != nil {
				_, _ = lowlevelmsgutil.MarshalToWriter(c, &msg.Reply{Error: err.Error()})
			}
		}()
	}
}

func (p *portChild) serve(c *net.UnixConn) error {
	var req msg.Request
	if _, err := lowlevelmsgutil.UnmarshalFromReader(c, &req); err != nil {
		return err
	}
	switch req.Type {
	case msg.RequestTypeInit:
		_, err := lowlevelmsgutil.MarshalToWriter(c, &msg.Reply{})
		return err
	case msg.RequestTypeConnect:
		return p.connect(c, &req)
	}
	return fmt.Errorf("unknown request %q", req.Type)
}

// connect makes a socket and hands its descriptor over. It is the container's
// own: a server that answers from an unconnected socket could not be made to
// answer a visitor from elsewhere through us.
func (p *portChild) connect(c *net.UnixConn, req *msg.Request) error {
	ip, err := netip.ParseAddr(req.IP)
	if err != nil {
		return err
	}
	f, err := p.sockets.dial(unix.SOCK_DGRAM, netip.AddrPortFrom(ip, uint16(req.Port)))
	if err != nil {
		return err
	}
	defer f.Close()
	return control(f, func(fd int) error {
		_, _, err := c.WriteMsgUnix([]byte{0}, unix.UnixRights(fd), nil)
		return err
	})
}
