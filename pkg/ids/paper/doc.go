// SPDX-License-Identifier: Apache-2.0

// Package paper lets processes be somebody, and give files to somebody, where a
// user namespace has a single id and so nobody else to be.
//
// A filter that answers "done" to setuid(2) and its kin is enough for most
// programs, but not for those that look whether it was done: apt ("Could not
// switch group"), setpriv, su, start-stop-daemon, daemons that refuse to run as
// root or look whether a directory is theirs. So calls that set, ask for or depend
// on identities are handed to a Keeper (SECCOMP_RET_USER_NOTIF, seccomp_unotify(2)),
// which applies the kernel's own rules (credentials(7)) to identities that exist on
// paper only. To the kernel every process remains root of its namespace: what it may
// do does not change, and so nothing of what is answered here decides who may do what.
//
// A process has to carry its identity through fork(2) and execve(2), and lose
// it when it ends. RLIMIT_LOCKS has these properties and no other meaning since
// Linux 2.4.25 (getrlimit(2)): its soft limit is the number of the identity in
// the Keeper's table, and a process that has never changed has the limit that it
// was born with.
//
//	service.go     the kernel's side: requests and responses
//	table.go       which call is which, of 64-bit and of i386 programs
//	keeper.go      identities of processes
//	identity.go    what set*id(2) does to an identity: no system calls
//	call.go        calls about identities
//	place.go       which file a process means: proc.go finds the process
//	memory.go      what is in its memory
//	chown.go       giving files away: noted beside the file, by package ids
//	stat.go        whose a file is: what was noted is shown
//	create.go      what a process makes that is somebody on paper is noted as his
//
// Whose a file is is looked up for each stat(2): where nobody is noted, the kernel
// makes the call itself.
package paper
