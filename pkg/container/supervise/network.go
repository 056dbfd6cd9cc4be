// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"fmt"
	"maps"
	"os"

	"coracle/pkg/box"
	"coracle/pkg/container"
	"coracle/pkg/network"
)

// rename tells the networks the name that the record has by now.
func (s *supervisor) rename() error {
	now, err := s.store.Load(s.id)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.c.Name = now.Name
	s.mu.Unlock()
	return s.box.Rename(now.Name)
}

// connect puts the running container on another network.
func (s *supervisor) connect(e *container.Endpoint) error {
	if e == nil {
		return errors.New("connect: no network")
	}
	at, err := s.box.Attach(*e)
	if err != nil {
		return err
	}
	s.record(func(st *container.State) {
		st.Networks = maps.Clone(st.Networks)
		if st.Networks == nil {
			st.Networks = map[string]network.Place{}
		}
		st.Networks[e.Network] = at
	})
	return nil
}

// disconnect takes it off again.
func (s *supervisor) disconnect(e *container.Endpoint) error {
	if e == nil {
		return errors.New("disconnect: no network")
	}
	if err := s.box.Detach(e.Network); err != nil {
		return err
	}
	s.record(func(st *container.State) {
		st.Networks = maps.Clone(st.Networks)
		delete(st.Networks, e.Network)
	})
	return nil
}

// share hands the namespaces over that a container on the same network needs.
func (s *supervisor) share(conn *container.Conn) error {
	user, err := os.Open("/proc/self/ns/user")
	if err != nil {
		return reply(conn, fmt.Errorf("share network: %w", err))
	}
	defer user.Close()
	files := []*os.File{user}
	if net := s.box.NetNS(); net != nil {
		files = append(files, net)
	}
	return conn.Send(container.Reply{
		Event:  container.EventDone,
		Shared: &container.SharedNet{Files: s.files(), Host: len(files) == 1},
	}, files...)
}

// files is the directory of the container's resolv.conf, hosts and hostname.
func (s *supervisor) files() string {
	if s.shared != nil {
		return s.shared.Files
	}
	return s.c.Dir().Files()
}

// network is how the box is to be connected.
func (s *supervisor) network(o opening) box.Network {
	n := s.c.Net
	if s.shared != nil {
		mode := box.NetShared
		if s.shared.Host {
			mode = network.Host
		}
		return box.Network{Mode: mode, NetNS: o.netns}
	}
	return box.Network{
		Mode: n.Mode, Endpoints: n.Networks, Container: s.id, Name: s.c.Name, Ports: n.Publish, Listening: o.listening, AddHosts: n.AddHosts,
		DNS: n.DNS, DNSSearch: n.DNSSearch, DNSOptions: n.DNSOptions,
		Named: network.NewStore(s.store.Dirs()),
	}
}
