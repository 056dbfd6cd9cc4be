// SPDX-License-Identifier: Apache-2.0

//go:build amd64 || arm64

package fork

// vforkClone is clone(2) with the caller's stack.
//
//go:noescape
func vforkClone(flags uintptr) (pid, errno uintptr)
