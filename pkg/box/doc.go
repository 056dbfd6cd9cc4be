// SPDX-License-Identifier: Apache-2.0

// Package box is the box that one process runs in: the mounted root file
// system, the network, and the three files that tell the process about it. A
// container and a RUN step of a build are the same box, so that a build is
// isolated exactly as a container is.
//
// It runs inside the user namespace, in the process that stays with the box:
// the supervisor of a container, or the builder.
package box
