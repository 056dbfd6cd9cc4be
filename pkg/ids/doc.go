// SPDX-License-Identifier: Apache-2.0

// Package ids is who somebody is: the ids of a user namespace, accounts of an
// image, capabilities, owners of files, and what is done where there is a single
// id and so nobody else to be.
//
//	maps.go        the maps of user namespaces, as the kernel shows them
//	hostmaps.go    those that the calling user may have; subid.go: how to get more
//	keep.go        those in which the caller is somebody else than root
//	writemaps.go   giving them to a process: newuidmap, newgidmap
//	accounts.go    names of an image's users and groups
//	capability.go  names and numbers
//	owner.go       giving files away, and what a single id means for that
//	record.go      noting whose files are that belong to who has no id
//
// With a single id, whom a file is given to is noted in an extended attribute of its
// own, in the form of podman's tools and fuse-overlayfs. The mode in it is what it was
// then: whoever reads the notes here takes the mode from the file, which chmod(2)
// changes without being told of. What writes archives of files reads the notes;
// package paper writes them for programs, and shows them.
package ids
