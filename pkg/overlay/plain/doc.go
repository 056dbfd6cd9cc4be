// SPDX-License-Identifier: Apache-2.0

// Package plain is for hosts where overlayfs is not to be had, as inside another
// container: it makes one tree of files of several layers, and a layer of what has
// become of such a tree.
//
//	Flatten      layers -> a tree, which nobody writes to
//	Copy         a tree -> another one, to be written to
//	Link         a tree -> another one, in which files are only replaced
//	Difference   the two -> the layer that leads from one to the other
//
// Layers have overlayfs's form as it is with userxattr: a removed file is a mark,
// a directory that hides what is below has an attribute. A mark is a device 0/0,
// or, where the kernel makes none (on overlayfs itself, or without CAP_MKNOD), an
// empty file with an attribute, as overlayfs knows it since Linux 6.7.
//
// Files are clones where the file system has such, and copies elsewhere. Those of a
// tree that nobody writes to are links of the layers' own. Every
// name is taken in the directory that is open, and no link is followed: what is in
// layers was somebody else's.
package plain
