// SPDX-License-Identifier: Apache-2.0

// Package ids is who somebody is: the ids of a user namespace, accounts of an
// image, capabilities, owners of files, and what is done where there is a single
// id and so nobody else to be.
//
//	maps.go        the maps of user namespaces, as the kernel shows them
//	hostmaps.go    those that the calling user may have; subid.go: how to get more
//	keep.go        those in which the caller is somebody else than root
//	writemaps.go   giving them to a process: newuidmap, newgidmap
//	accounts.go    names of an image's users and groups
//	capability.go  names and numbers
//	owner.go       giving files away, and what a single id means for that
//	record.go      noting whose files are that belong to who has no id
//
// With a single id, a filter that answers "done" to setuid(2) and its kin is
// enough for most programs, but not for those that look whether it was done: apt
// ("Could not switch group"), setpriv, su, start-stop-daemon, daemons that refuse
// to run as root. So calls that set or ask for identities are handed to a Keeper
// (SECCOMP_RET_USER_NOTIF, seccomp_unotify(2)), which applies the kernel's own
// rules (credentials(7)) to identities that exist on paper only. To the kernel
// every process remains root of its namespace: what a program creates belongs to
// root, and what it may do does not change.
//
// A process has to carry its identity through fork(2) and execve(2), and lose
// it when it ends. RLIMIT_LOCKS has these properties and no other meaning since
// Linux 2.4.25 (getrlimit(2)): its soft limit is the number of the identity in
// the Keeper's table, and a process that has never changed has the limit that it
// was born with.
//
//	identity.go    what set*id(2) does to an identity: no system calls
//	keeper.go      identities of processes; call.go: answers to their calls
//	chown.go       of those that give files away; proc.go: whose files are meant
//	listener.go    the kernel's side: requests and responses
//
// Calls that give files away are handed over in the same way. Whom a file was given
// to is noted in an extended attribute of its own, in the form of podman's tools and
// fuse-overlayfs. The mode in it is what it was then: whoever reads the notes here
// takes the mode from the file, which chmod(2) changes without being told of. What
// writes archives of files reads the notes; stat(2) does not, for it would have to
// be handed over each time.
package ids
