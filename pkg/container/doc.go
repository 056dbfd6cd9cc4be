// SPDX-License-Identifier: Apache-2.0

// Package container owns containers as objects: their records on disk, their
// names, what is mounted in them. Package client asks the supervisor of a running one.
//
// # Files
//
// Every container is one directory, [state.Dirs.Container]:
//
//	record.json   what was asked for; written once by create, replaced by rename and update
//	state.json    what happened; written by the supervisor alone
//	lock          flock: exclusive for the life of the supervisor, and while the container is removed
//	upper, work   the read-write layer
//	rootfs        mount point, mounted in the supervisor's mount namespace only
//	files/        resolv.conf, hosts and hostname, bind-mounted into the container
//	container.log output, in Docker's json-file form (package logfile); rotated to .1, .2 …
//	images/       mount points of images, as rootfs
//	supervise.log what the supervisor itself had to say; empty when all is well
//
// The directory is the one source of truth: it appears by one rename, complete,
// and it disappears by one rename. A file below names/ is an index that only
// counts while the directory it points to exists.
//
// # Processes
//
// A command never touches a running container itself. It connects to the
// socket that the container's supervisor (package supervise) serves, and sends
// it a request (packages client, control). Whether a supervisor is alive is told
// by (pid, start time, boot id), never by a pid alone.
package container
