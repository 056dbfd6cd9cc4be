// SPDX-License-Identifier: Apache-2.0

// Package develop watches the files that services are made of, and says what is to
// be done where they change: develop.watch of a Compose file.
//
//	inotify ── Tree: paths that have changed ──► Batch: together, once it is quiet ──► Rules: what each is for
//	                                                                                     │
//	                                                  Write: an archive of what is to be copied ◄──┘
//
// It knows nothing of containers.
package develop
