// SPDX-License-Identifier: Apache-2.0

// Package files carries out COPY and ADD. What becomes of files is BuildKit's
// doing in every detail, which testdata of test/build has on record.
//
//	copy.go     what one instruction copies, and its digest
//	tree.go     where files are taken from; find.go, patterns; walk.go, what a
//	            directory has
//	sums.go     digests of the context's files, kept from build to build
//	fetch.go    files from web servers
//	write.go    the copies
//	archive.go  ADD of archives
//	target.go   where files go; attributes.go, what they have beside content
//	owner.go    --chown; mode.go, --chmod
//
// Sources and destinations are hostile. A source is opened below a directory
// descriptor; a destination is resolved inside the image, link by link, by the
// kernel.
package files
