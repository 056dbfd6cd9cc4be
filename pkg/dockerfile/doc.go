// SPDX-License-Identifier: Apache-2.0

// Package dockerfile builds images from Dockerfiles. BuildKit's own packages
// parse them; this package carries them out, on the layers of package overlay.
//
// A step that changes files gives a layer. Its key in the build cache is a
// digest of everything that decides the result: the layer below, the
// instruction after expansion, and the content of the files that it takes. A
// step whose key is known, and whose layer is there, is not carried out.
//
//	source.go   where the Dockerfile and the context come from
//	load.go     the Dockerfile, which package parse reads; the context
//	needed.go   which stages are needed
//	build.go    Build: the stages run at the same time
//	stage.go    one stage: its base, its instructions, its layers
//	env.go      ARG, ENV and expansion
//	config.go   the instructions that only change the configuration; expose.go
//	run.go      RUN; mounts.go, its --mount: cachemount.go, secret.go; attach.go, by descriptor
//	context.go  --build-context
//	copy.go     COPY and ADD, which package files carries out
//	tree.go     the files of layers, to be read and to be written on
//	export.go   the image; output.go, its files elsewhere; epoch.go, its time
//	cache.go    the build cache; flight.go, equal steps that are made once
//	event.go    what the user is told of
//	error.go    failures, with the lines of the Dockerfile they come from
//
// # Order
//
// A stage is a goroutine. It waits for the stages that it needs before a step
// begins, and holds one of the slots while the step works, so that no step
// waits for a slot that a waiting one holds. Locks: the build cache's, shared,
// for the whole build; a cache mount's for one RUN.
//
// The context, the Dockerfile, and all images are hostile: sources are opened
// below a directory descriptor, destinations resolved inside the image.
package dockerfile
