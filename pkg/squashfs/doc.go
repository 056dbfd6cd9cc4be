// SPDX-License-Identifier: Apache-2.0

// Package squashfs turns file systems in the form of Linux's squashfs 4.0 into tar
// streams and back, without mounting anything. What it reads is hostile: sizes are
// bounded by what is there, a directory is read once, and names lead nowhere.
//
// # The form
//
//	superblock | data blocks | inodes | directories | fragments | ids | xattrs
//
// All tables but the data are chains of metadata blocks: two bytes of length, the
// highest bit of them for "not compressed", and what gives at most 8 KiB. An inode is
// referred to by where its block begins in the table and the offset in what the block
// gives. Documentation/filesystems/squashfs.rst of Linux has it all.
//
// What Write makes has no fragments, no export table and no index of directories:
// they are for speed, and readers go without. Linux checks that tables end where the
// next begins.
package squashfs
