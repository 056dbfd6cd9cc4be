// SPDX-License-Identifier: Apache-2.0

// Package transfer copies files out of and into a root directory, as tar
// streams. Paths, and the links on them, are resolved inside the root by the
// kernel (openat2, RESOLVE_IN_ROOT): whatever a container does to its files at
// the same time, nothing outside of it is read or written.
package transfer
