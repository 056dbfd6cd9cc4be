// SPDX-License-Identifier: Apache-2.0

// Package kerneltcp lets the kernel carry the container's side of its TCP
// connections to the world. The stack sees the request alone, and answers it when
// the host's side stands; the connection is then put into the kernel of the wire's
// namespace as one that is established (TCP_REPAIR, Linux 4.8), and data moves
// between two sockets of the kernel. Without it the stack carries the data.
package kerneltcp
