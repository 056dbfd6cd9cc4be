// SPDX-License-Identifier: Apache-2.0

// Package docker is Docker's vocabulary: what its engine answers, as plain
// structs with its JSON, and the pure functions that make them of our records.
//
// The types are those of github.com/moby/moby/api, under their own names in the
// field's packages. A type of ours stands here for one of two reasons: newer
// versions of Docker dropped fields that scripts still read
// (.NetworkSettings.IPAddress, .Parent of an image), or they hold an address as
// a [net/netip.Addr], which templates print as "invalid IP" where there is none.
//
// Nothing here reads a file, asks a process or knows a flag. Whoever answers
// (the command line, and what else speaks to the engine) looks things up, calls
// a function of this package, and shows what it returns.
//
// Where Docker says null, [] or {}, so do these: a nil slice or map is null, and
// which one it is has been taken from the answers in testdata.
package docker
