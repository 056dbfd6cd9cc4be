// SPDX-License-Identifier: Apache-2.0

// Package slirp connects a network namespace to the world through the sockets
// of this process: user-mode networking without /dev/net/tun, without a helper
// program and without any privilege on the host.
//
//	 container's netns        private netns           this process, in the host's netns
//	┌──────────────────┐     ┌───────────────┐      ┌────────────────────────────────────┐
//	│ eth0 10.0.2.100 ─┼─veth┼─ wire ◄───────┼──────┼─ AF_PACKET ── gVisor TCP/IP stack   │
//	│                  │     │    │          │      │    10.0.2.2 gateway │ 10.0.2.3 DNS   │
//	└──────────────────┘     │    ▼          │      │    UDP, echo ──► host's sockets     │
//	        ▲                │  the kernel's │      │    published UDP ◄── visitors       │
//	        │                │  TCP sockets ─┼──────┼── relay ──► host's sockets          │
//	        │                └───────────────┘      │                                    │
//	        └── sockets made in the container's ────┼── relay ◄── published TCP ports     │
//	            netns                               └────────────────────────────────────┘
//
// The wire's end is in a network namespace of its own, where the container
// cannot see it. Of TCP, the stack answers requests for connections: their data
// is carried by the kernel (package kerneltcp) or, where that cannot be, by the
// stack too (copy.go). Published TCP ports do not pass the stack: see package relay.
//
// A [Link] is one such connection. It knows no networks: who else is on its
// segment, and what names they have, is said to it as l2.Peers and dns.Names. Its
// rooms are l2 (interface, wire, switch), kerneltcp, dns, publish, relay, netns and
// sockaddr.
//
// What may be reached is decided before any socket is opened: see policy.go.
package slirp
