// SPDX-License-Identifier: Apache-2.0

package network

import (
	"net/netip"
	"path"
	"strings"

	"coracle/pkg/slirp"
	"coracle/pkg/slirp/l2"
	"coracle/pkg/slirp/publish"
)

// Endpoint is a container's place on a network, as it was asked for.
type Endpoint struct {
	Network string     `json:"network"`
	Aliases []string   `json:"aliases,omitempty"`
	Links   []string   `json:"links,omitempty"` // CONTAINER:NAME: by what further names others are found from here
	IP      netip.Addr `json:"ip,omitzero"`
	IP6     netip.Addr `json:"ip6,omitzero"`
	MAC     MAC        `json:"mac,omitzero"`
	// Priority decides which network has the way out and the visitors of
	// published ports: the highest, the first among equals, and an internal one
	// last of all.
	Priority int `json:"priority,omitempty"`
}

// Member is who the container with this ID, name and hostname is on the network,
// as far as the endpoint asks for it.
func (e Endpoint) Member(id, name, hostname string) Member {
	return Member{Container: id, Name: name, Hostname: hostname, Aliases: e.Aliases, Links: e.Links, Addr: e.IP, Addr6: e.IP6, MAC: e.MAC}
}

// ParseLink reads CONTAINER[:NAME], or what Docker's answers have, /CONTAINER:/SELF/NAME.
func ParseLink(text string) (container, name string, err error) {
	container, name, ok := strings.Cut(text, ":")
	if !ok {
		name = container
	}
	if rest, answered := strings.CutPrefix(container, "/"); answered {
		container, name = rest, path.Base(name)
	}
	if container == "" || name == "" || strings.ContainsAny(name, ":= \t\r\n#/") {
		return "", "", refuse(Malformed, "bad format for links: %s", text)
	}
	return container, name, nil
}

// PrivateLink is the plan of a link with nobody else on it.
func (e Endpoint) PrivateLink() slirp.Config {
	c := slirp.DefaultConfig()
	if !e.MAC.IsZero() {
		c.MAC = e.MAC
	}
	return c
}

// What networks and links have in common.
type (
	// MAC is a hardware address.
	MAC = l2.MAC
	// Place is where a container is on a network: what it was given.
	Place = l2.Place
	// PortSpec is a port to publish, as it was asked for (port.go has its grammar).
	PortSpec = publish.Spec
	// Port is a port that is listened on.
	Port = publish.Port
)

// ParseMAC reads a hardware address that an interface can have.
func ParseMAC(s string) (MAC, error) { return l2.ParseMAC(s) }
