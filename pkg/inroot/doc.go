// SPDX-License-Identifier: Apache-2.0

// Package inroot opens and makes files inside a directory that somebody else
// may be writing at the same time: the root of a container that runs, of an
// image, a build's context, a volume. A path is resolved once, by the kernel
// (openat2(2), Linux 5.6), and what it led to is used by its descriptor: never
// by name again, which may lead elsewhere by then.
//
// That is what engines have been broken by, again and again: a link put in the
// place of a directory between the look and the use (CVE-2021-30465, mounts of
// runc; CVE-2019-14271 and CVE-2018-15664, docker cp; CVE-2024-1753 and
// CVE-2024-9675, buildah's mounts), a link in the place of /proc (CVE-2019-19921,
// CVE-2023-28642), a file in the place of a device (CVE-2025-31133).
package inroot
