// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/cgroup"
	"coracle/pkg/ns"
	"coracle/pkg/oci/spec"
	"coracle/pkg/overlay"
	"coracle/pkg/slirp"
	"coracle/pkg/trace"
)

// Network modes.
const (
	NetBridge = "bridge" // a network of its own, connected through the host's sockets
	NetHost   = "host"   // the host's
	NetNone   = "none"   // loopback only
	NetShared = "shared" // another box's
)

// Network is how a box is connected.
type Network struct {
	Mode       string // one of the modes, or the name of a network
	Ports      []slirp.PortSpec
	Listening  []*os.File // sockets handed over to publish ports with; the caller's to close
	NetNS      *os.File   // of NetShared; the box's to close
	AddHosts   []string   // name:address or name:host-gateway
	DNS        []string   // servers in place of ours
	DNSSearch  []string
	DNSOptions []string

	// For networks with a name: where they are, and who the box is on the first
	// one. More are the others.
	Named  slirp.Networks
	Member slirp.Member
	More   []Endpoint
}

// Endpoint is a place on a network with a name.
type Endpoint struct {
	Network string
	Member  slirp.Member
}

// Config describes a box.
type Config struct {
	Rootfs     overlay.Rootfs
	Hostname   string
	Domainname string
	Files      string // an existing directory for resolv.conf, hosts and hostname
	ReadyFiles bool   // the three are there already, and another box's
	Network    Network
	// Cgroup is the group that processes of the box are born in; nil leaves
	// them in the caller's.
	Cgroup *cgroup.Group
	Reap   bool // keep a pid 1 of ours beside the program
}

// Box is an open box: mounted and connected, with nothing running in it.
type Box struct {
	cfg   Config
	netns *os.File // nil with the host's network
	net   *slirp.Network
	addr  slirp.Config
	// member is the place on a network with a name, or nil.
	member *slirp.Membership
	names  slirp.Names
	more   attachments
	ports  []slirp.Port
}

// Open mounts the root file system and, at the same time, connects the
// network. The error leaves nothing behind but the mount, which ends with the
// process's mount namespace.
func Open(cfg Config) (*Box, error) {
	b := &Box{cfg: cfg}
	hosts, err := slirp.ParseAddHosts(cfg.Network.AddHosts)
	if err != nil {
		return nil, err
	}
	if err := b.plan(hosts); err != nil {
		return nil, err
	}
	connected := make(chan error, 1)
	go func() { connected <- b.connect() }()
	err = overlay.MountRootfs(cfg.Rootfs)
	trace.Mark("mounted the root file system")
	if err == nil {
		err = b.writeFiles(hosts)
	}
	if err = errors.Join(err, <-connected); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// connect makes the network namespace and publishes the ports.
func (b *Box) connect() error {
	switch b.cfg.Network.Mode {
	case NetHost:
		return nil
	case NetShared:
		b.netns = b.cfg.Network.NetNS
		return nil
	}
	var err error
	if b.netns, err = slirp.NewNetNS(); err != nil {
		return err
	}
	trace.Mark("made a network namespace")
	if b.cfg.Network.Mode == NetNone {
		return nil
	}
	if b.net, err = slirp.Start(b.netns, b.addr); err != nil {
		return err
	}
	trace.Mark("connected the network")
	for _, e := range b.cfg.Network.More {
		if _, err := b.Attach(e); err != nil {
			return err
		}
	}
	b.net.Hand(b.cfg.Network.Listening)
	for _, p := range b.cfg.Network.Ports {
		ports, err := b.net.PublishSpec(p)
		if err != nil {
			return err
		}
		b.ports = append(b.ports, ports...)
	}
	return b.net.Unserved()
}

// plan decides on the network's configuration, and takes the box's place on a
// network with a name. The host's loopback is open only to who asked for
// host-gateway by name.
func (b *Box) plan(hosts []slirp.HostEntry) error {
	n := b.cfg.Network
	switch n.Mode {
	case NetHost, NetNone, NetShared:
		return nil
	case NetBridge:
		b.addr = slirp.DefaultConfig()
		b.addr.Names = &b.names
	default:
		w, err := n.Named.Lookup(n.Mode)
		if err != nil {
			return err
		}
		if b.member, err = n.Named.Join(context.Background(), w, n.Member); err != nil {
			return err
		}
		b.addr = slirp.NamedConfig(b.member)
		b.addr.Names = &b.names
	}
	for _, h := range hosts {
		b.addr.HostLoopback = b.addr.HostLoopback || h.HostGateway
	}
	return nil
}

// Place is where the box is on its first network; it is zero without a network
// of its own.
func (b *Box) Place() slirp.Place { return b.addr.Place() }

// Ports returns what is listened on for the box.
func (b *Box) Ports() []slirp.Port { return b.ports }

// NetNS is the box's network namespace, or nil with the host's. It stays the
// box's.
func (b *Box) NetNS() *os.File { return b.netns }

// Rootfs is the path of the mounted root file system in this process's mount
// namespace.
func (b *Box) Rootfs() string { return b.cfg.Rootfs.Target }

// The files that are bind-mounted into the box.
var boxFiles = []string{"resolv.conf", "hosts", "hostname"}

// writeFiles fills the three files. They are written in place, not renamed:
// a bind mount stays with the inode.
func (b *Box) writeFiles(hosts []slirp.HostEntry) error {
	if b.cfg.ReadyFiles {
		return nil
	}
	own := b.addr.Addresses()
	hostResolv, err := os.ReadFile("/etc/resolv.conf")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the host's resolv.conf: %w", err)
	}
	var resolv []byte
	if b.cfg.Network.Mode != NetNone { // with the host's network the plan is empty, and so the host's servers count
		resolv = slirp.ResolvConf(b.addr, b.cfg.Network.DNS, b.cfg.Network.DNSSearch, b.cfg.Network.DNSOptions, hostResolv)
	}
	name := b.cfg.Hostname
	if b.cfg.Domainname != "" {
		name += "." + b.cfg.Domainname
	}
	for file, content := range map[string][]byte{
		"resolv.conf": resolv,
		"hosts":       slirp.HostsFile(name, own, b.addr.HostEntries(hosts)),
		"hostname":    []byte(b.cfg.Hostname + "\n"),
	} {
		if err := os.WriteFile(filepath.Join(b.cfg.Files, file), content, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
	}
	return nil
}

// Stdio is what the process in a box reads and writes. All nil with a
// terminal.
type Stdio struct{ In, Out, Err *os.File }

// Start sets a process up and leaves it right before its execve. The options'
// Rootfs, Hostname and network fields are the box's; its files are mounted
// unless the options mount something at their places. The spec is returned for
// processes that join later. adjust, when not nil, has the last word on the
// process.
func (b *Box) Start(o spec.Options, adjust func(*specs.Process) error, io Stdio) (*ns.Init, *specs.Spec, error) {
	o.Rootfs, o.Hostname = b.cfg.Rootfs.Target, b.cfg.Hostname
	o.HostNet = b.cfg.Network.Mode == NetHost
	taken := map[string]bool{}
	for _, m := range o.Mounts {
		taken[m.Destination] = true
	}
	for _, f := range boxFiles {
		if dest := "/etc/" + f; !taken[dest] {
			o.Mounts = append(o.Mounts, specs.Mount{
				Destination: dest, Type: "bind", Source: filepath.Join(b.cfg.Files, f),
				Options: []string{"bind", "rprivate"},
			})
		}
	}
	s, err := spec.New(o)
	if err != nil {
		return nil, nil, err
	}
	trace.Mark("wrote the spec")
	if adjust != nil {
		if err := adjust(s.Process); err != nil {
			return nil, nil, err
		}
	}
	init, err := ns.StartInit(ns.InitOptions{Spec: s, NetNS: b.netns, Stdin: io.In, Stdout: io.Out, Stderr: io.Err, CgroupFD: b.cgroupFD(), Reap: b.cfg.Reap, CloseAbstract: o.HostNet})
	if err != nil {
		return nil, nil, err
	}
	return init, s, nil
}

func (b *Box) cgroupFD() int {
	if b.cfg.Cgroup == nil {
		return -1
	}
	return b.cfg.Cgroup.FD()
}

// Exec sets a process up in the box beside its first, and leaves it right
// before its execve.
func (b *Box) Exec(first *ns.Init, s *specs.Spec, p *specs.Process, io Stdio) (*ns.Init, error) {
	return ns.Exec(first, ns.ExecOptions{Spec: s, Process: p, Stdin: io.In, Stdout: io.Out, Stderr: io.Err, CgroupFD: b.cgroupFD()})
}

// Unpublish frees the published ports and the place on the network: the first
// part of Close, without the 15 ms that the kernel takes to let a packet socket
// go.
func (b *Box) Unpublish() error {
	var errs []error
	if b.net != nil {
		errs = append(errs, b.net.Unpublish())
	}
	if b.member != nil {
		errs = append(errs, b.member.Leave())
		b.member = nil
	}
	return errors.Join(append(errs, b.more.leave())...)
}

// Close disconnects the box. What runs in it is the caller's to end first.
func (b *Box) Close() error {
	errs := []error{b.Unpublish()}
	if b.net != nil {
		errs = append(errs, b.net.Close())
	}
	if b.netns != nil {
		errs = append(errs, b.netns.Close())
	}
	return errors.Join(errs...)
}
