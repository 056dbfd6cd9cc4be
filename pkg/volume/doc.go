// SPDX-License-Identifier: Apache-2.0

// Package volume is what users call volumes: directories with a name that
// outlive containers.
//
//	Store   the volumes of this user, a directory each
//	Volume  one of them: labels, options, whether it was made for one container
//	Source  what is mounted of it: its own directory, or what its options say
//	Users   who is asked which containers have one; this package knows none
//
// # Files
//
//	volumes/NAME/volume.json  what it was made with; appears with its directory, by one rename
//	volumes/NAME/data/        its files
//	volumes/NAME/fill.tmp/    content for a new one, being prepared
//	volumes/NAME/fill/        the same, complete, on its way to data/
//	volumes/NAME/lock         held while it is filled
//
// # The volumes lock
//
// A volume is in use when a container's record names it, and a container that is
// being made has no record yet. So who makes one holds the volumes lock, shared,
// from before its volumes are found until its record is in place ([Store.Hold]);
// and who removes a volume holds it alone from before the users are asked until
// the directory is away:
//
//	create    shared ├─ Ensure ── record appears ─┤
//	remove                                          alone ├─ Users ── rename to tmp/ ─┤ delete
//
// Nobody holds it while files are copied, measured or deleted.
package volume
