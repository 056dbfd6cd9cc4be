// SPDX-License-Identifier: Apache-2.0

// Package streams carries what a person and a process say to each other: the
// input with the keys that leave it, output that can be lost, the terminal with
// its window, and the signals that are passed on.
package streams
