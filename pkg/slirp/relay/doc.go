// SPDX-License-Identifier: Apache-2.0

// Package relay carries TCP connections between sockets of the host and sockets
// into a container: those of visitors of published ports, which it makes, and
// those that the container made, which others hand over (Loop.Relay).
//
//	visitor ──► Port, on the host ──► Loop ──► socket made in the container's ──► server
//	                                           namespace, in the visitor's name
//
// A loop (epoll(7)) is one thread in the container's network namespace: it
// accepts, makes the socket for the server, and moves what either end says to the
// other, without a thread or a goroutine for a connection. Little data goes
// through a buffer, much of it through a pipe within the kernel (splice(2)).
// A goroutine for each direction would cost twice the system calls for a small
// message, and a switch between threads for a new connection.
//
// All of a connection belongs to one loop, and there are no locks. The kernel
// chooses one of the loops that watch a port.
package relay
