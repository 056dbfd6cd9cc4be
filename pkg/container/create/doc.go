// SPDX-License-Identifier: Apache-2.0

// Package create makes containers: a request in Docker's words becomes a record
// (pkg/docker), the image that it names is held so that nobody removes it
// meanwhile, the volumes are made, and the container exists; or none of it does.
//
// [World] is what this host says to a request: which devices, disks, CPUs,
// cgroups, networks and other containers there are.
package create
