// SPDX-License-Identifier: Apache-2.0

// Package network is what users call networks: those with a name and their
// addresses, the places of containers on them, the ports that are published, and
// the files that say who is where.
//
//	Store    the networks of this user, a directory each
//	Network  one of them: subnets, gateways, labels
//	Endpoint a container's place on a network, as it was asked for
//	Place    where it is then: what it was given
//	Member   who a running container is for the others there
//	PortSpec a port to publish; Port one that is listened on
//
// A network has no process. Each running container's supervisor becomes a member: a record,
// a socket and a lock in the network's directory, and a link of package slirp, to
// which the network says who else is there (l2.Peers) and by what names (Names). The
// default network is one as well, but that nobody makes it, or waits for a lock (bridge.go).
package network
