// SPDX-License-Identifier: Apache-2.0

// Package seccomp compiles the seccomp part of an OCI runtime spec into a
// classic BPF program for seccomp(2). It decides nothing: which calls are
// allowed is package spec's.
//
// One program serves every ABI that the kernel can enter by: on amd64 that is
// amd64, i386 and x32. Each has its own numbers, so each has its own part:
//
//	load arch ── amd64 ── number ≥ 0x40000000 (x32): ENOSYS
//	   │            └──── search tree over the numbers of amd64
//	   ├──────── i386 ─── search tree over the numbers of i386
//	   └──────── other: kill the process
//
// A leaf of a tree is a whole answer, so code only ever jumps forward. Numbers
// that no table knows are answered with ENOSYS, so that programs fall back to
// older calls; numbers that are known and not allowed get the profile's
// default action.
//
// Numbers are in syscalls.txt, written by hack/gen-syscalls.sh.
package seccomp
