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
//	                   one thread, blocking, no poller (Send, Receive)
//	container          a command and the supervisor of a container (Conn)
//	worker             a command and the process that works inside the user namespace (Conn)
//
// # Addresses
//
// sun_path has 108 bytes (unix(7)), and a state directory may be deeper than
// that: sockets are named relative to a descriptor of their directory, by
// /proc/self/fd/N/name ([At]).
package wire
