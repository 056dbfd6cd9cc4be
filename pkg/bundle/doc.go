// SPDX-License-Identifier: Apache-2.0

// Package bundle is coracle as an OCI runtime: it runs what a config.json and a
// root file system beside it describe, for engines and conformance programs
// that bring their own images, networks and logs. The set-up is package ns's,
// as for every other container.
//
// Nothing stays behind a command but the container itself, and where it has a single
// id and wants owners noted, who answers for that (owners.go). create leaves the
// first process at its listener, right before its execve, and ends: the process
// becomes the child of whoever collects orphans of the caller. start connects
// to the listener and gives the word.
//
//	<root>/<id>/
//	  lock          flock: held while the container is changed
//	  config.json   what was read from the bundle
//	  state.json    appears when the container is created
//	  start.sock    where the first process waits
//
// config.json is trusted, as in every OCI runtime: it may name any path of the
// host. Its paths inside of the root are resolved so that they stay inside.
package bundle
