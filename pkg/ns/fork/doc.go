// SPDX-License-Identifier: Apache-2.0

// Package fork forks processes in which Go's runtime never runs: for what the
// kernel allows to a process of one thread only (setns(2) into a user namespace),
// or in a user namespace of its own.
//
// # The rules
//
// Between the fork and the end, or the execve, of such a process nothing may
// allocate, grow a stack, take a lock or call the scheduler: the threads that
// would go on with that are not there. All that it looks at is laid out
// beforehand, in one struct; it makes raw system calls only, and says what
// happened in reports of eight bytes on a pipe. The runtime is told before and
// after, by the functions that package syscall uses for its own forks.
//
//	fork.go      Program: a program in namespaces that exist, and in new ones
//	vfork.go     the same in new ones alone, without a copy of the memory
//	opentree.go  OpenTree: a mount that its owner may not clone
package fork
