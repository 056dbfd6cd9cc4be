// SPDX-License-Identifier: Apache-2.0

// Package build compares what coracle makes of Dockerfiles with what BuildKit
// makes of them: the files, with their kinds, modes, owners, links, attributes
// and times, and the image's configuration.
//
// Each file in testdata is a case: a Dockerfile, a description of its context,
// and what BuildKit gave, which hack/record-buildkit writes anew. Sections
// begin with a line "-- name --"; what stands before the first one says what
// the case is about.
//
//	Dockerfile            as it is built; {{server}} is the address of a web server
//	context               what is in the context, an entry a line
//	archive NAME OPTIONS  an archive in the context, an entry a line
//	options               further arguments of build, one a line
//	environment           variables of build, one a line
//	tree, config, error   recorded
//	our tree, our config, our error
//	                      in place of the recorded one, where coracle differs;
//	                      the first lines of the case say why
//
// An entry is a kind, a path, and settings: "file a/b mode=0640 data="text\n"
// mtime=981173106 xattr.user.k="v"". Kinds are dir, file, link (to=), hard
// (to=), fifo, char, and in archives global, a pax header for all that follows.
// "server" is a section of files that the web server has.
package build
