// SPDX-License-Identifier: Apache-2.0

// Package inroot opens and makes files inside a directory that somebody else
// may be writing at the same time. A path is resolved once, by the kernel
// (openat2(2), Linux 5.6), and what it led to is used by its descriptor: never
// by name again, which may lead elsewhere by then.
package inroot
