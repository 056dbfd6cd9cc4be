// SPDX-License-Identifier: Apache-2.0

// Package registry speaks the distribution protocol (OCI Distribution
// Specification 1.1) with registries: manifests, blobs with resume, uploads,
// logins, and searches. Where to go and whom to trust is read from registries.conf and
// certs.d; who we are, from the files that docker and podman keep.
//
// Everything a registry says is hostile: sizes are bounded and digests checked
// before anything is used, credentials go to the host they are for, and plain
// HTTP only to this machine and to who was named insecure.
package registry
