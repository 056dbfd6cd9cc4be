// SPDX-License-Identifier: Apache-2.0

// Package dockerfile builds images from Dockerfiles: text becomes instructions
// (package parse), instructions a graph of vertices (plan), vertices layers
// (exec) with the runner of RUN (run), and layers an image or files.
//
// A vertex that changes files gives a layer. Its key in the build cache is a
// digest of everything that decides the result: the layer below, the
// instruction after expansion, and the content of the files that it takes. A
// vertex whose key is known, and whose layer is there, is not carried out.
//
//	request.go what is asked for; secret.go, its secrets
//	ops.go     Build, from outside of the user namespace: what a worker does
//	build.go   the way from one to the next
//	describe.go what a build would be
//	source.go  where the Dockerfile and the context come from; load.go reads them
//	base.go    the images that a plan needs
//	export.go  the image; output.go, its files elsewhere
//	error.go   failures, with the lines of the Dockerfile they come from
//	event.go   what the user is told of, which is package exec's
//	cache.go   what the cache has, and pruning it, by a worker
//
// Locks: the build cache's, shared, for the whole build; a cache mount's for one
// RUN.
//
// The context, the Dockerfile, and all images are hostile: sources are opened
// below a directory descriptor, destinations resolved inside the image.
package dockerfile
