// SPDX-License-Identifier: Apache-2.0

package command

// Call is one command line.
type Call struct {
	Argv0 string   // the name the program was called by
	Args  []string // what follows
	// Umask is the caller's: for files that the user names. Everything else is
	// made as if it were 022.
	Umask int
}
