// SPDX-License-Identifier: Apache-2.0

// Package socket holds conversations in the messages of package wire with
// another process: with deadlines, from several goroutines, over a socket that
// was inherited (Pair, FromFile) or has a name (Listen, Dial).
//
// # Names
//
// sun_path has 108 bytes (unix(7)), and a state directory may be deeper than
// that: sockets are named relative to a descriptor of their directory, by
// /proc/self/fd/N/name ([At]).
package socket
