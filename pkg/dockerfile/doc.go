// SPDX-License-Identifier: Apache-2.0

// Package dockerfile builds images from Dockerfiles: text becomes instructions
// (package parse), instructions a graph of vertices (plan), vertices layers
// (exec), and layers an image or files.
//
// A vertex that changes files gives a layer. Its key in the build cache is a
// digest of everything that decides the result: the layer below, the
// instruction after expansion, and the content of the files that it takes. A
// vertex whose key is known, and whose layer is there, is not carried out.
//
//	build.go   Build: the way from one to the next
//	source.go  where the Dockerfile and the context come from; load.go reads them
//	base.go    the images that a plan needs
//	export.go  the image; output.go, its files elsewhere
//	error.go   failures, with the lines of the Dockerfile they come from
//	event.go   what the user is told of, which is package exec's; cache.go, package cache's
//
// Locks: the build cache's, shared, for the whole build; a cache mount's for one
// RUN.
//
// The context, the Dockerfile, and all images are hostile: sources are opened
// below a directory descriptor, destinations resolved inside the image.
package dockerfile
