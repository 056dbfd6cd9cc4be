// SPDX-License-Identifier: Apache-2.0

// Package convert is what a Compose file means in Docker's words: a service and
// the number of a container of it become the request for that container, a
// network, a volume and a build section theirs, and the labels by which all that
// is found again.
//
//	types.ServiceConfig ─► docker.CreateRequest + files to put into the container
//	types.NetworkConfig ─► docker.NetworkRequest
//	types.VolumeConfig  ─► docker.VolumeRequest
//	types.BuildConfig   ─► dockerfile.Request
//
// The names, labels and hashes are docker compose's, so that its own program over
// coracle's API finds what it would have made. [Keys] is the table of everything a
// service can say, with what becomes of it: nothing is passed over without a word.
//
// It is pure: what only the disk knows (a file's text, which container another
// service has) is asked of functions that the caller gives.
package convert
