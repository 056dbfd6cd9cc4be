// SPDX-License-Identifier: Apache-2.0

// Package overlay keeps layers and images, and mounts root file systems from
// them. It is the one place that calls the storage library
// (go.podman.io/storage), and none of the library's types leaves it.
//
// # What the library does, and what not
//
// The library keeps the records of layers and images, and the layers' places
// on disk; its form is podman's, its directory is ours alone. Layers are
// extracted by our own Differ, in this process and without a lock, many at a
// time; the library then renames them into place. Containers are not in it:
// their read-write layers are directories of package container, and their root
// file systems are mounted by MountRootfs, so that starting one neither opens
// nor rewrites anything that is shared.
//
// # Its parts
//
// Store is the door. Behind it are the library's records of images
// (imagerecord.go), the index made from them (index.go), the scratch directory
// (scratch.go), and functions that need no open store: streams to layers and back
// (unpack.go, snapshot.go with noted.go, tar.go), lists that a power cut has damaged (rescue.go),
// mounts (mount.go; fallback.go where there is no overlayfs), and copies of layers for
// containers with other owners (kept.go).
//
// # Durability
//
// Files of layers are not synced one by one: one syncfs(2) before the first
// layer is committed puts everything that was staged on disk, and one after the
// image record does the same for the names. What CreateImage has returned
// survives a power cut.
//
// # The index
//
// The library can only be opened inside the user namespace and parses every
// record. So after each change a list of the images is written to images.json,
// with one file per image beside it, which any command reads in a millisecond.
// It carries a stamp of the library's own list: if a command died between the
// two writes, the stamp does not match and the next one inside the user
// namespace writes the index again.
package overlay
