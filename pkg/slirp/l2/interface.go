// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"coracle/pkg/slirp/netns"
)

// configureInterface gives the container's end its addresses and routes, and the
// gateway's hardware address, which saves the first packet an ARP exchange.
func configureInterface(c Config) error {
	link, err := netlink.LinkByName(c.Interface)
	if err != nil {
		return err
	}
	if !c.Address6.IsValid() {
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+c.Interface+"/disable_ipv6", []byte("1"), 0)
	}
	err = netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(c.Address)})
	if c.Address6.IsValid() {
		// Nobody else is on the wire: detecting duplicates would only take time.
		err = errors.Join(err, netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(c.Address6), Flags: unix.IFA_F_NODAD}))
	}
	_ = segmentEarly(c.Interface) // old kernels have nothing to switch off
	if err = errors.Join(err, netlink.LinkSetUp(link)); err != nil {
		return err
	}
	neighbours := []netip.Addr{c.Gateway, c.DNS}
	if c.Address6.IsValid() {
		neighbours = append(neighbours, c.Gateway6)
	}
	gateway := MACOf(c.Gateway)
	for _, a := range neighbours {
		if err := netlink.NeighSet(&netlink.Neigh{
			LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: a.AsSlice(), HardwareAddr: gateway[:],
		}); err != nil {
			return fmt.Errorf("add neighbour %s: %w", a, err)
		}
	}
	if !c.NoDefaultRoute {
		if err := addDefaultRoutes(link, c); err != nil {
			return err
		}
	}
	if c.Address6.IsValid() {
		return settle(c.Address6.Addr())
	}
	return nil
}

// defaultRoutes are the container's ways out.
func defaultRoutes(link netlink.Link, c Config) []netlink.Route {
	routes := []netlink.Route{{LinkIndex: link.Attrs().Index, Gw: c.Gateway.AsSlice()}}
	if c.Address6.IsValid() {
		routes = append(routes, netlink.Route{LinkIndex: link.Attrs().Index, Gw: c.Gateway6.AsSlice()})
	}
	return routes
}

func addDefaultRoutes(link netlink.Link, c Config) error {
	for _, r := range defaultRoutes(link, c) {
		if err := netlink.RouteReplace(&r); err != nil {
			return fmt.Errorf("add route: %w", err)
		}
	}
	return nil
}

// SetWayOut makes an interface the way out of the namespace that it is in, or takes
// that from it.
func SetWayOut(ns *os.File, c Config, on bool) error {
	_, err := netns.In(ns, func() (none struct{}, err error) {
		link, err := netlink.LinkByName(c.Interface)
		switch {
		case err != nil:
			return none, fmt.Errorf("find %s: %w", c.Interface, err)
		case on:
			return none, addDefaultRoutes(link, c)
		}
		for _, r := range defaultRoutes(link, c) {
			_ = netlink.RouteDel(&r) // the container may have done so itself
		}
		return none, nil
	})
	return err
}

// Remove takes an interface out of a namespace. What is gone is no error.
func Remove(ns *os.File, name string) {
	_, _ = netns.In(ns, func() (none struct{}, err error) {
		if link, err := netlink.LinkByName(name); err == nil {
			_ = netlink.LinkDel(link)
		}
		return none, nil
	})
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// settle waits, not for long, until packets to an IPv6 address are taken in: the
// kernel takes the address on in its own time, and drops what comes before.
func settle(a netip.Addr) error {
	const longest = time.Second
	for began := time.Now(); time.Since(began) < longest; time.Sleep(100 * time.Microsecond) {
		routes, err := netlink.RouteGet(a.AsSlice())
		if err != nil || len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL {
			return err
		}
	}
	return nil
}

// quietIPv6 keeps an interface of the current thread's namespace from having
// addresses and saying anything of its own, or from IPv6 altogether.
func quietIPv6(name string, on bool) {
	settings := map[string]string{"disable_ipv6": "1"}
	if on {
		const none = "1" // IN6_ADDR_GEN_MODE_NONE
		settings = map[string]string{"addr_gen_mode": none, "accept_ra": "0", "router_solicitations": "0"}
	}
	for key, value := range settings {
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/"+key, []byte(value), 0)
	}
}

// noticeCarrier has the kernel notice at once that the other end of a link came
// up. It does so in its own time otherwise, and loses until then what its own TCP
// sends here: a reset would not come again. Asking whether the link stands
// (ETHTOOL_GLINK) brings that up to date. It waits for the lock of all networks
// of the host (rtnl), and nobody waits for it: long before a program sends
// something it is done.
func noticeCarrier(name string) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	go askForCarrier(fd, name)
}

// askForCarrier closes fd, a socket in the network namespace of the link.
func askForCarrier(fd int, name string) {
	defer unix.Close(fd)
	question := struct{ cmd, data uint32 }{cmd: unix.ETHTOOL_GLINK}
	req := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // the rest of struct ifreq's union
	}{data: unsafe.Pointer(&question)}
	copy(req.name[:unix.IFNAMSIZ-1], name)
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
}
