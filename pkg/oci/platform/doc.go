// SPDX-License-Identifier: Apache-2.0

// Package platform is what images are made for: an operating system, an
// architecture, and a variant of that, as in linux/arm/v7. The specification is
// "platform" in the OCI image index; the many names and their one form are
// those of github.com/containerd/platforms, whose regular expressions every
// start of the program would compile.
package platform
