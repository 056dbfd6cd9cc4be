// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"coracle/pkg/box"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/network"
	"coracle/pkg/wire/socket"
)

// networks are those that the container is on, which may change while it runs.
type networks struct {
	book   *ledger
	c      *container.Container
	shared *control.SharedNet // set when the network is another container's
	box    connected
}

// connected is what of a box belongs to networks: see [box.Box].
type connected interface {
	Attach(e network.Endpoint) (network.Place, error)
	Detach(network string) error
	Rename(name string) error
	NetNS() *os.File
}

// config is how the box is to be connected, with what came with the request to
// start.
func (n *networks) config(o opening) (box.Network, error) {
	if n.shared != nil {
		mode := box.NetShared
		if n.shared.Host {
			mode = network.Host
		}
		return box.Network{Mode: mode, NetNS: o.netns}, nil
	}
	asked := n.c.Net
	linked, err := n.linked()
	return box.Network{
		Mode: asked.Mode, Endpoints: asked.Networks, Container: n.c.ID, Name: n.c.Name, Ports: asked.Publish, Listening: o.listening, AddHosts: slices.Concat(linked, asked.AddHosts),
		DNS: asked.DNS, DNSSearch: asked.DNSSearch, DNSOptions: asked.DNSOptions,
		Store: network.NewStore(n.book.store.Dirs()),
	}, err
}

// linked are the names and addresses, as of --add-host, of the containers that this one
// is linked to on the default network, where they are now: networks with names find theirs
// when they are asked.
func (n *networks) linked() (hosts []string, err error) {
	i := n.c.Net.On(network.Bridge)
	if i < 0 {
		return nil, nil
	}
	for _, text := range n.c.Net.Networks[i].Links {
		name, alias, err := network.ParseLink(text)
		if err != nil {
			return nil, err
		}
		other, err := n.book.store.Lookup(name)
		if err != nil {
			return nil, err
		}
		at := other.State.Networks[network.Bridge].Address
		switch {
		case !other.State.IsRunning():
			return nil, fmt.Errorf("Cannot link to a non running container: /%s AS /%s/%s", other.Name, n.c.Name, alias)
		case !at.IsValid():
			return nil, fmt.Errorf("Cannot link to /%s, as it does not belong to the default network", other.Name)
		}
		for _, name := range slices.Compact([]string{alias, other.Process.Hostname, other.Name}) {
			hosts = append(hosts, name+":"+at.Addr().String())
		}
	}
	return hosts, nil
}

// files is the directory of the container's resolv.conf, hosts and hostname.
func (n *networks) files() string {
	if n.shared != nil {
		return n.shared.Files
	}
	return n.c.Dir().Files()
}

// rename tells the networks the name that the record has by now.
func (n *networks) rename() error {
	now, err := n.book.store.Load(n.book.id())
	if err != nil {
		return err
	}
	return n.box.Rename(now.Name)
}

// connect puts the running container on another network.
func (n *networks) connect(e *container.Endpoint) error {
	if e == nil {
		return errors.New("connect: no network")
	}
	at, err := n.box.Attach(*e)
	if err != nil {
		return err
	}
	n.book.record(func(st *container.State) {
		st.Networks = maps.Clone(st.Networks)
		if st.Networks == nil {
			st.Networks = map[string]network.Place{}
		}
		st.Networks[e.Network] = at
	})
	return nil
}

// disconnect takes it off again.
func (n *networks) disconnect(e *container.Endpoint) error {
	if e == nil {
		return errors.New("disconnect: no network")
	}
	if err := n.box.Detach(e.Network); err != nil {
		return err
	}
	n.book.record(func(st *container.State) {
		st.Networks = maps.Clone(st.Networks)
		delete(st.Networks, e.Network)
	})
	return nil
}

// share hands the namespaces over that a container on the same network needs.
func (n *networks) share(conn *socket.Conn) error {
	user, err := os.Open("/proc/self/ns/user")
	if err != nil {
		return reply(conn, fmt.Errorf("share network: %w", err))
	}
	defer user.Close()
	files := []*os.File{user}
	if net := n.box.NetNS(); net != nil {
		files = append(files, net)
	}
	return conn.Send(control.Reply{
		Event:  control.EventDone,
		Shared: &control.SharedNet{Files: n.files(), Host: len(files) == 1},
	}, files...)
}
