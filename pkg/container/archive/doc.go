// SPDX-License-Identifier: Apache-2.0

// Package archive is a container's files as others see them, whether it runs or
// not: what is at a path, files out and in as a tar stream, all of them, and what
// has changed since the image. These are Docker's HEAD, GET and PUT
// /containers/{id}/archive, GET /export and GET /changes.
//
//	archive.go  Stat, Out, In, Export
//	files.go    the files of one container: its supervisor's, or mounted here
//	place.go    where cp copies to, and under which name; pure but for looking
//	changes.go  Changes
//	ops.go      what of it a worker does
//
// The files of a running container are its supervisor's business, who gets the
// stream's descriptor. Those of another are mounted by a worker, which has it, too;
// the container does not start meanwhile. Both end with the context, and when the
// other end of the stream is closed.
package archive
