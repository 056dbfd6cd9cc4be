// SPDX-License-Identifier: Apache-2.0

// Package exec makes the layers of a plan's vertices.
//
//	solve.go     the solver: vertices, at the same time where they can be
//	flight.go    equal steps that are made once
//	run.go       RUN, by a Runner, runner.go
//	mounts.go    its --mount: cachemount.go, secret.go; attach.go, by descriptor
//	copy.go      COPY, ADD and WORKDIR, which package files carries out
//	context.go   --build-context
//	tree.go      the files of layers, to be read and to be written on
//	epoch.go     times of new layers
//	event.go     what the user is told of
//	job.go       what all parts of a build share
//
// # Order
//
// A vertex is a goroutine. It waits for its parent, and is told of; waits for
// the other vertices that it reads, and has a key; then looks into the cache,
// then whether an equal vertex is being made, and only then takes one of the
// slots, so that no step waits for a slot that a waiting one holds. Cache mounts
// are locked with the slot held: their holders are RUNs that work.
package exec
