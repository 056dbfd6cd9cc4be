// SPDX-License-Identifier: Apache-2.0

// Package wire carries messages and descriptors between two processes over a
// unix stream socket. It knows no message: what is said stands in the packages
// that speak.
//
// # A message
//
//	┌────────────────┬───────────────────┐
//	│ length, 4 byte │ JSON, length byte │   and, beside the first byte, up to
//	│ big endian     │                   │   MaxFiles descriptors (SCM_RIGHTS)
//	└────────────────┴───────────────────┘
//
// The length is bounded by MaxMessage, so that one side cannot have the other
// allocate what it likes. A stream socket may deliver a message in any number
// of pieces, but never the descriptors of one message with another's first
// byte (unix(7), ancillary messages are a barrier): who reads exactly the
// announced bytes gets each descriptor with its message.
//
// The end of the stream between two messages is io.EOF; in the middle of one it
// is io.ErrUnexpectedEOF. After any other error the stream is out of step, and
// is only good to be closed.
//
// # Who speaks it
//
//	ns, ns/child       a process and the stage that becomes a container's program;
//	                   one thread, blocking, no poller
//	wire/socket        what needs deadlines and names: a command and a container's
//	                   supervisor (container), or the process that works for it inside
//	                   the user namespace (worker)
//
// It imports nothing of package net, which a stage that ends in execve would
// have to initialise for nothing (ns/first).
package wire
