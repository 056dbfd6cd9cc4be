// SPDX-License-Identifier: Apache-2.0

package container

import (
	"maps"

	"coracle/pkg/events"
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

// networkEvent writes down that a container came to a network, or left it.
func (s *Store) networkEvent(id, action, network string) {
	_ = events.Append(s.dirs.Root, events.New(events.Network, action, network,
		map[string]string{"container": id, "name": network, "type": "bridge"}))
}

func (s *Store) volumeEvent(name, action string) {
	_ = events.Append(s.dirs.Root, events.New(events.Volume, action, name, map[string]string{"driver": "local"}))
}
