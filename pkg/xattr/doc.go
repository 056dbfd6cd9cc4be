// SPDX-License-Identifier: Apache-2.0

// Package xattr reads and writes the extended attributes that belong to a file
// wherever it is: what users note, and the capabilities of a program. Not
// those of one system or one engine: labels, and overlayfs's own notes.
package xattr
