// SPDX-License-Identifier: Apache-2.0

package container

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"coracle/pkg/events"
	"coracle/pkg/network"
	"coracle/pkg/state"
)

// Event writes down what happened to a container. A journal that cannot be
// written, as on a full disk, stops nobody.
func (s *Store) Event(r *Record, action string, more map[string]string) {
	attributes := map[string]string{}
	maps.Copy(attributes, r.Labels)
	attributes["image"], attributes["name"] = r.Image, r.Name
	maps.Copy(attributes, more)
	_ = events.Append(s.dirs.Root, events.New(events.Container, action, r.ID, attributes))
}

// NetworkEvent writes down that a container came to a network, or left it.
func NetworkEvent(d state.Dirs, id, action, name string) {
	actor, kind := PredefinedNetworkID(name), network.Bridge
	switch name {
	case network.Bridge:
	case network.Host:
		kind = network.Host
	case network.None:
		kind = "null"
	default:
		actor = name
		if w, err := network.NewStore(d).Lookup(name); err == nil {
			actor = w.ID
		}
	}
	_ = events.Append(d.Root, events.New(events.Network, action, actor, map[string]string{"container": id, "name": name, "type": kind}))
}

// PredefinedNetworkID is the ID of a network that nobody made: the same on
// every host.
func PredefinedNetworkID(name string) string {
	return (fmt.Sprintf("%x", name) + strings.Repeat("0", 64))[:64]
}

// Arrive writes down that a container, which is about to run, has its volumes
// and networks; [Leave] that it has them no more.
func Arrive(d state.Dirs, r *Record) {
	for _, m := range r.Mounts {
		if m.Type == MountVolume {
			_ = events.Append(d.Root, events.New(events.Volume, "mount", m.Name, map[string]string{
				"container": r.ID, "destination": m.Target, "driver": "local", "propagation": m.Propagation, "read/write": strconv.FormatBool(!m.ReadOnly),
			}))
		}
	}
	for _, n := range r.Net.names() {
		NetworkEvent(d, r.ID, "connect", n)
	}
}

// Leave is the end of [Arrive].
func Leave(d state.Dirs, r *Record) {
	for _, n := range r.Net.names() {
		NetworkEvent(d, r.ID, "disconnect", n)
	}
	for _, m := range r.Mounts {
		if m.Type == MountVolume {
			_ = events.Append(d.Root, events.New(events.Volume, "unmount", m.Name, map[string]string{"container": r.ID, "driver": "local"}))
		}
	}
}

// names are those of the networks that a container has endpoints on.
func (n Net) names() []string {
	switch {
	case n.OnNetworkOf() != "":
		return nil
	case !n.Own():
		return []string{n.Mode}
	}
	var list []string
	for _, e := range n.Networks {
		list = append(list, e.Network)
	}
	return list
}
