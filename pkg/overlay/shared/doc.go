// SPDX-License-Identifier: Apache-2.0

// Package shared reads stores of images that somebody else keeps: another root of
// coracle's, or a graph root of podman's (an "additional image store" of
// containers-storage.conf(5)). It opens files for reading, and that is all: no
// lock, no library, nothing of such a store changes or has to be true. What does
// not fit together is left out, and Open says why where nothing fits.
//
// Stores are named by $CORACLE_SHARED_STORES, with colons between them, or by
// additionalimagestores in /etc/coracle/storage.conf and in podman's storage.conf.
package shared
