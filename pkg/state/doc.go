// SPDX-License-Identifier: Apache-2.0

// Package state owns the disk: which paths exist, how they are locked, how
// they are written. It is the only package that spells a path below coracle's
// root, but for what is the storage library's, and it knows nothing of what the
// files mean. Each directory has a type: [ContainerDir], [VolumeDir] and on.
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
//	  tmp/                     staging and trash, see [TmpDir]; what a dead process left here is swept
//	  events.log, .1           the journal
//	  staging.lock             flock: shared while a container or a volume is made in tmp/
//	<run>/                     0700, need not survive a reboot
//	  containers/<id>/         control socket
//	  storage/                 run root of the library
//
// # Lock order
//
// [Rank] has the one order in which a process takes locks. It holds none of
// them across a pull, a build step, a wait for a container or a call to another
// process ([MustHoldNone]); only a build holds buildcache/lock, shared, until it
// ends, a RUN those of its cache mounts, and a command of compose that of its
// project while it makes, starts, stops and removes. The lock of a container is its
// supervisor's for life: who holds another lock tries it and does not wait.
package state
