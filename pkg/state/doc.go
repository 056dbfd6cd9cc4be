// SPDX-License-Identifier: Apache-2.0

// Package state owns the disk: which paths exist, how they are locked, how
// they are written. It is the only package that spells a path below coracle's
// root, and it knows nothing of what the files mean.
//
// # Layout
//
//	<root>/                    0700, owned by the calling user
//	  storage/                 graph root of go.podman.io/storage: layers and images
//	  storage.conf             the library's configuration, ours, so that no file of the host's is read
//	  images.json              index derived from storage/, read without a user namespace
//	  images/<id>.json         the same of one image: configuration and layer directories
//	  images.lock              flock: shared while an image is resolved, exclusive while the set of images changes
//	  containers/<id>/         one directory per container
//	  names/<name>             a link to the container's ID; it counts when the container's record says the same
//	  volumes/<name>/          one directory per volume
//	  networks/<name>/         one directory per network
//	  buildcache/              content-addressed build records
//	  cachemounts/             RUN --mount=type=cache
//	  blobinfo/<layer>.json    digests that registries know a layer by
//	  blobs/                   partly downloaded blobs
//	  tmp/                     staging; what a dead process left here is swept
//	  staging.lock             flock: shared while a container or a volume is made in tmp/
//	<run>/                     0700, need not survive a reboot
//	  containers/<id>/         control socket
//	  storage/                 run root of the library
//
// # Lock order
//
// A process takes locks in this order only, and holds none of them across a
// pull, a build step or a wait for a container; only a build holds
// buildcache/lock, shared, until it ends, before all others:
//
//	image (images.lock, then the library's own locks)
//	└─ staging
//	   └─ names
//	      └─ record (of one container)
//	         └─ volume
//	            └─ network
//
// The lock of a container itself is its supervisor's for life. Who holds another
// lock tries it and does not wait; who waits for it holds no other.
package state
