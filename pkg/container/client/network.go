// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"
	"slices"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/network"
)

// Connect puts a container on another network, now if it runs and whenever it
// starts.
func Connect(ctx context.Context, s *container.Store, c *container.Container, e network.Endpoint) error {
	_, err := s.Edit(ctx, c.ID, func(r *container.Record) error {
		switch {
		case r.Net.On(e.Network) >= 0:
			return refuse(network.Forbidden, "endpoint with name %s already exists in network %s", r.Name, e.Network)
		case r.Net.OnNetworkOf() != "":
			return refuse(network.Malformed, "container sharing network namespace with another container or host cannot be connected to any other network")
		case !r.Net.Own():
			return refuse(network.Malformed, "container cannot be connected to multiple networks with one of the networks in %s mode", r.Net.Mode)
		}
		r.Net.Networks = append(r.Net.Networks, e)
		return nil
	})
	if err != nil {
		return err
	}
	told, err := tell(ctx, s, c, control.Request{Op: control.OpConnect, Network: &e}, func(r *container.Record) {
		r.Net.Networks = slices.DeleteFunc(r.Net.Networks, func(have network.Endpoint) bool { return have.Network == e.Network })
	}, func(now container.State) bool { return on(now, e.Network) })
	if told {
		container.NetworkEvent(s.Dirs(), c.ID, "connect", e.Network)
	}
	return err
}

// Disconnect takes a container off a network.
func Disconnect(ctx context.Context, s *container.Store, c *container.Container, name string) error {
	var was network.Endpoint
	at := -1
	_, err := s.Edit(ctx, c.ID, func(r *container.Record) error {
		if at = r.Net.On(name); at < 0 {
			return fmt.Errorf("container %s is not connected to network %s", c.ID, name)
		}
		was = r.Net.Networks[at]
		r.Net.Networks = slices.Delete(r.Net.Networks, at, at+1)
		return nil
	})
	if err != nil {
		return err
	}
	told, err := tell(ctx, s, c, control.Request{Op: control.OpDisconnect, Network: &network.Endpoint{Network: name}}, func(r *container.Record) {
		if r.Net.On(name) < 0 { // the first of them counts more than the others
			r.Net.Networks = slices.Insert(r.Net.Networks, min(at, len(r.Net.Networks)), was)
		}
	}, func(now container.State) bool { return !on(now, name) })
	if told {
		container.NetworkEvent(s.Dirs(), c.ID, "disconnect", name)
	}
	return err
}

func refuse(why network.Reason, format string, args ...any) error {
	return &network.Refusal{Reason: why, Message: fmt.Sprintf(format, args...)}
}

// on reports whether a running container is on a network.
func on(now container.State, network string) bool {
	_, ok := now.Networks[network]
	return ok
}
