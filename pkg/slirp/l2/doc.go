// SPDX-License-Identifier: Apache-2.0

// Package l2 is the Ethernet side of a link: the container's interface, the wire
// at its other end, and the switch between the wires of one segment.
//
//	 container's netns       private netns          this process
//	┌──────────────────┐    ┌─────────────┐    ┌───────────────────────────┐
//	│ eth0 ────────────┼veth┼─ wire ◄─────┼────┼─ Wire.Stack: the gateway's │
//	└──────────────────┘    │    ▲        │    │  frames, for the IP stack  │
//	                        │    └────────┼────┼─ Switch: frames of others  │
//	                        └─────────────┘    └───────────────────────────┘
//	                                              ▲ one datagram a frame, or
//	                                              ▼ a socket of the other wire
//	                                            the switches of other members
//
// The kernel sorts frames by classic BPF (filter.go). Who has which hardware
// address is answered here (neighbour.go): nobody else is asked. A host without
// veth pairs has a TAP device in their place (tap.go).
package l2
