// SPDX-License-Identifier: Apache-2.0

// Package spec is the policy: it turns what a user asked for into an OCI
// runtime spec, with the capabilities, masks, mounts and system calls that a
// container has unless it is told otherwise. Package ns carries it out.
//
// Nothing of an image but its user, its working directory, its command and its
// environment reaches a spec; labels and annotations never do.
package spec
