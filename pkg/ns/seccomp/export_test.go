// SPDX-License-Identifier: Apache-2.0

package seccomp

// Syscalls is the table of numbers, for an evaluator that does not use the
// compiler's reading of it.
var Syscalls = syscalls
