// SPDX-License-Identifier: Apache-2.0

// Package publish listens on the host for the visitors of a container's ports, and
// leads them to the container.
//
//	visitor of TCP ──► relay.Loop ──► socket made in the container's namespace
//	visitor of UDP ──► Ports ──► Link: datagrams in the visitor's name, on the wire
//
// Ports outlive links: a container that changes its networks keeps its ports, and
// visitors are led to its address on another one. A socket may come from somebody
// else, who has bound what this process may not (inherit.go, reserved.go).
package publish
