// SPDX-License-Identifier: Apache-2.0

// Package command is the ground that every command stands on: the streams and
// directories of the program, the stores, opened when first asked for, the ways
// to refuse, to warn, to ask and to end with a code, and what is common to all
// lists.
//
// The commands themselves are in the rooms beside it, one for each of Docker's
// groups; package cli makes the program of them.
package command
