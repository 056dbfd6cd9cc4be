// SPDX-License-Identifier: Apache-2.0

// Package ids lets programs change their user where the user namespace has a
// single id and there is nobody to change to.
//
// A filter that answers "done" to setuid(2) and its kin is enough for most
// programs, but not for those that look whether it was done: apt ("Could not
// switch group"), setpriv, su, start-stop-daemon, daemons that refuse to run as
// root. So calls that set or ask for identities are handed to a Keeper
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
//	identity.go  what set*id(2) does to an identity: no system calls
//	keeper.go    identities of processes; answers to their calls
//	listener.go  the kernel's side: requests and responses
package ids
