// SPDX-License-Identifier: Apache-2.0

package box

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/cgroup"
	"coracle/pkg/ids"
	"coracle/pkg/ids/paper"
	"coracle/pkg/network"
	"coracle/pkg/ns"
	"coracle/pkg/oci/spec"
	"coracle/pkg/overlay"
	"coracle/pkg/slirp"
	"coracle/pkg/slirp/publish"
	"coracle/pkg/state"
	"coracle/pkg/trace"
)

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
	cfg       Config
	hosts     []network.HostEntry
	netns     *os.File       // nil with the host's network
	ports     *publish.Ports // nil without networks
	published []network.Port

	identities *paper.Keeper // of processes with a single id
	maps       ids.Maps      // of the user namespace, once a process has been started
	mu         sync.Mutex    // of what follows
	names      network.Names
	links      []*link
	lead       *link // has the way out and the visitors; nil: there is none
	interfaces int   // that were made
	written    map[string][]byte
}

// Open mounts the root file system and, at the same time, connects the
// network. The error leaves nothing behind but the mount, which ends with the
// process's mount namespace.
func Open(cfg Config) (*Box, error) {
	b := &Box{cfg: cfg, identities: paper.NewKeeper(), written: map[string][]byte{}}
	var err error
	if b.hosts, err = network.ParseAddHosts(cfg.Network.AddHosts); err != nil {
		return nil, err
	}
	if !isolated(cfg.Network.Mode) {
		for _, e := range cfg.Network.Endpoints {
			if _, err := b.place(e); err != nil {
				return nil, errors.Join(err, b.Close())
			}
		}
		b.lead = b.first()
	}
	connected := make(chan error, 1)
	go func() { connected <- b.connect() }()
	err = overlay.MountRootfs(cfg.Rootfs)
	trace.Mark("mounted the root file system")
	if err == nil {
		err = b.writeFiles()
	}
	if err = errors.Join(err, <-connected); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// NetNS is the box's network namespace, or nil with the host's. It stays the
// box's.
func (b *Box) NetNS() *os.File { return b.netns }

// Rootfs is the path of the mounted root file system in this process's mount
// namespace.
func (b *Box) Rootfs() string { return b.cfg.Rootfs.Target }

// The files that are bind-mounted into the box.
var boxFiles = []string{"resolv.conf", "hosts", "hostname"}

// writeFiles fills the three files. They are written in place, not renamed:
// a bind mount stays with the inode. What somebody in the box has changed stays
// as it is.
func (b *Box) writeFiles() error {
	if b.cfg.ReadyFiles {
		return nil
	}
	// A host whose file cannot be read asks the resolver's default, as we do.
	hostResolv, _ := os.ReadFile("/etc/resolv.conf")
	n := b.cfg.Network
	var at slirp.Config // with the host's network there is no plan, and so the host's servers count
	if b.lead != nil {
		at = b.lead.cfg
	}
	if b.lead == nil && n.Mode != network.Host {
		hostResolv = nil // nobody can be asked: the file has what was given alone
	}
	resolv := network.ResolvConf(at.DNS, n.DNS, n.DNSSearch, n.DNSOptions, hostResolv)
	var own []netip.Addr
	for _, l := range b.links {
		own = append(own, l.cfg.Addresses()...)
	}
	name := b.cfg.Hostname
	if b.cfg.Domainname != "" {
		name += "." + b.cfg.Domainname
	}
	hosts := network.HostsFile(name, own, network.ResolveHosts(b.hosts, at.Gateway))
	if n.Mode == network.Host && len(b.hosts) == 0 { // as in Docker: who is on the host's network knows its names
		if text, err := os.ReadFile("/etc/hosts"); err == nil {
			hosts = text
		}
	}
	for file, content := range map[string][]byte{
		"resolv.conf": resolv,
		"hosts":       hosts,
		"hostname":    []byte(b.cfg.Hostname + "\n"),
	} {
		path := filepath.Join(b.cfg.Files, file)
		if before, ok := b.written[file]; ok {
			if bytes.Equal(content, before) || !holds(path, before) {
				continue
			}
		}
		if err := writeFor(path, content); err != nil {
			return fmt.Errorf("write %s: %w", file, state.Explain(err))
		}
		b.written[file] = content
	}
	return nil
}

// writeFor writes a file that everybody in the box may read, whatever the umask.
func writeFor(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if os.Geteuid() != 0 {
		_ = f.Chown(0, 0) // the caller is somebody else inside, and where there is no root it stays his
	}
	return errors.Join(err, f.Chmod(0o644), f.Close())
}

// holds reports whether a file is as it was written: it may be anything now.
func holds(path string, content []byte) bool {
	info, err := os.Stat(path)
	if err != nil || info.Size() != int64(len(content)) {
		return false
	}
	now, err := os.ReadFile(path)
	return err == nil && bytes.Equal(now, content)
}

// Stdio is what the process in a box reads and writes, all nil with a
// terminal, and what else it is born with.
type Stdio struct {
	In, Out, Err *os.File
	// Trees are detached mounts, by the destination of the mount in the
	// options that shows them. They stay the caller's.
	Trees map[string]*os.File
	// PIDNS and IPCNS are another box's, to be in; nil: own ones, as the options say.
	PIDNS, IPCNS *os.File
	// Mounted is called before the root becomes the root, where the options have
	// hooks, with what runs and the process's number: it runs the hooks that belong
	// outside, and returns the state that the others are told.
	Mounted func(*specs.Spec, int) ([]byte, error)
}

// Start sets a process up and leaves it right before its execve. The options'
// Rootfs, Hostname and network fields are the box's; its files are mounted
// unless the options mount something at their places. The spec is returned for
// processes that join later. adjust, when not nil, has the last word on the
// process.
func (b *Box) Start(o spec.Options, adjust func(*specs.Process) error, io Stdio) (*ns.Process, *specs.Spec, error) {
	o.Rootfs, o.Hostname = b.cfg.Rootfs.Target, b.cfg.Hostname
	o.HostNet, o.Identities, o.HideOwners = b.cfg.Network.Mode == network.Host, true, os.Getenv(paper.HideOwners) == "1"
	taken := map[string]bool{}
	for _, m := range o.Mounts {
		taken[m.Destination] = true
	}
	options := []string{"bind", "rprivate"}
	if o.ReadOnlyRootfs {
		options = append(options, "ro")
	}
	for _, f := range boxFiles {
		if dest := "/etc/" + f; !taken[dest] {
			o.Mounts = append(o.Mounts, specs.Mount{Destination: dest, Type: "bind", Source: filepath.Join(b.cfg.Files, f), Options: options})
		}
	}
	o.Throttle = spec.ThrottleCounters()
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
	b.maps = o.Maps
	p, user, err := b.onPaper(s.Process)
	if err != nil {
		return nil, nil, err
	}
	started := *s
	started.Process = p
	var mounted func(int) ([]byte, error)
	if s.Hooks != nil && io.Mounted != nil {
		mounted = func(pid int) ([]byte, error) { return io.Mounted(s, pid) }
	}
	init, err := ns.StartInit(ns.InitOptions{Spec: &started, NetNS: b.netns, Stdin: io.In, Stdout: io.Out, Stderr: io.Err, CgroupFD: b.cgroupFD(), Reap: b.cfg.Reap, CloseAbstract: o.HostNet, Trees: io.Trees, Mounted: mounted, PIDNS: io.PIDNS, IPCNS: io.IPCNS})
	if err != nil {
		return nil, nil, err
	}
	b.serveIdentities(init, user)
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
func (b *Box) Exec(first *ns.Process, s *specs.Spec, p *specs.Process, io Stdio) (*ns.Process, error) {
	p, user, err := b.onPaper(p)
	if err != nil {
		return nil, err
	}
	i, err := ns.Join(first, ns.JoinOptions{Spec: s, Process: p, Stdin: io.In, Stdout: io.Out, Stderr: io.Err, CgroupFD: b.cgroupFD()})
	if err == nil {
		b.serveIdentities(i, user)
	}
	return i, err
}

// onPaper is p as it runs: as the one that there is where its user has no id because
// there is a single one, with that user returned as who it is on paper. Where there are more
// ids, a user outside of them is refused.
func (b *Box) onPaper(p *specs.Process) (*specs.Process, *ids.User, error) {
	if !b.maps.Single() {
		return p, nil, b.maps.Check(ids.User{UID: p.User.UID, GID: p.User.GID, AdditionalGIDs: p.User.AdditionalGids})
	}
	one, paper := spec.OnPaper(p, b.maps)
	return one, paper, nil
}

// serveIdentities answers the calls about identities of a process and its
// descendants until they have ended, where its filter hands them over. The process
// begins as user, if that is not nil.
func (b *Box) serveIdentities(i *ns.Process, user *ids.User) {
	if i.Listener == nil {
		return
	}
	if user != nil {
		b.identities.Assume(i.Process.Pid, *user)
	}
	go func() { _ = b.identities.Serve(i.Listener) }()
}

// Close disconnects the box. What runs in it is the caller's to end first.
func (b *Box) Close() error {
	if b.identities != nil { // of one that was never started there are none
		b.identities.Settle()
	}
	errs := []error{b.Unpublish()}
	for _, l := range b.links {
		if l.net != nil {
			l.net.Close()
		}
	}
	if b.netns != nil {
		errs = append(errs, b.netns.Close())
	}
	return errors.Join(errs...)
}
