// SPDX-License-Identifier: Apache-2.0

// Package docker is Docker's vocabulary: what its engine is asked for and what it
// answers, as plain structs with its JSON, and the pure functions between them and
// our records.
//
//	text of a flag, a unit ─ Parse… ─► request ─ Record, Update, … ─► record
//	                                                  ▲ World: what only the host knows
//	                          answer ◄─ Inspect…, Summarize, … ────────┘
//
// What a request asks for comes back in the answer, to the last field; what
// coracle cannot give is a [Refusal], which says its kind (and so the status of
// HTTP), or a [Warning]; the few fields that are passed over without a word stand
// in one table, with the reason. [Filters] are read and applied here alone.
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
