// SPDX-License-Identifier: Apache-2.0

// Package dockerfile builds images from Dockerfiles: text becomes instructions
// (package parse), instructions a graph of vertices (package plan), and this
// package makes the vertices' layers, on those of package overlay.
//
// A vertex that changes files gives a layer. Its key in the build cache is a
// digest of everything that decides the result: the layer below, the
// instruction after expansion, and the content of the files that it takes. A
// vertex whose key is known, and whose layer is there, is not carried out.
//
//	build.go    Build, and what all parts of one build share
//	source.go   where the Dockerfile and the context come from; load.go reads them
//	base.go     the images that a plan needs
//	solve.go    the solver: vertices, at the same time where they can be
//	run.go      RUN; mounts.go, its --mount: cachemount.go, secret.go; attach.go, by descriptor
//	copy.go     COPY, ADD and WORKDIR, which package files carries out
//	context.go  --build-context
//	tree.go     the files of layers, to be read and to be written on
//	export.go   the image; output.go, its files elsewhere; epoch.go, its time
//	cache.go    the build cache; flight.go, equal steps that are made once
//	cacheuse.go what the cache takes, and pruning it
//	event.go    what the user is told of
//	error.go    failures, with the lines of the Dockerfile they come from
//
// # Order
//
// A vertex is a goroutine. It waits for its parent, and is told of; waits for
// the other vertices that it reads, and has a key; then looks into the cache,
// then whether an equal vertex is being made, and only then takes one of the
// slots, so that no step waits for a slot that a waiting one holds. Locks: the
// build cache's, shared, for the whole build; a cache mount's for one RUN.
//
// The context, the Dockerfile, and all images are hostile: sources are opened
// below a directory descriptor, destinations resolved inside the image.
package dockerfile
