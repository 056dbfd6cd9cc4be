// SPDX-License-Identifier: Apache-2.0

// Package composecmd is the group compose: docker compose's verbs, one a file.
// Flags become options of package compose, and what that tells becomes docker
// compose's words.
//
//	compose.go   the group, its own flags, and the session that a verb works in
//	progress.go  the lines about what happens
//	logs.go      output of several containers, a prefix before each line
package composecmd
