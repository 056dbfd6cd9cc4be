// SPDX-License-Identifier: Apache-2.0

// Package dockerfile builds images from Dockerfiles. BuildKit's own packages
// parse them; this package carries them out, on the layers of package overlay.
//
// A step that changes files gives a layer. Its key in the build cache is a
// digest of everything that decides the result: the layer below, the
// instruction after expansion, and the content of the files that it takes. A
// step whose key is known, and whose layer is there, is not carried out.
//
//	parse.go    the Dockerfile, its stages, which of them are needed
//	build.go    Build, and how a stage is walked through
//	env.go      ARG, ENV and expansion
//	config.go   the instructions that only change the configuration
//	run.go      RUN
//	copy.go     COPY and ADD; tree.go, where files are taken from
//	cache.go    the build cache
//	error.go    failures, with the lines of the Dockerfile they come from
//
// The context, the Dockerfile, and all images are hostile: sources are opened
// below a directory descriptor, destinations resolved inside the image.
package dockerfile
