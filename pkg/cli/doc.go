// SPDX-License-Identifier: Apache-2.0

// Package cli is the command line: Docker's flags, words, tables and exit
// codes over the packages below. There is one file per command; each has a
// function that declares the flags and one that does the work and prints.
//
// To add a command: write xCommand(e *env) *cli.Command in a file of its own,
// name it in the list in app.go, and if options stop at its first argument, in
// the table in args.go. What changes images is done by onImages, and goes
// to a worker inside the user namespace from there; what else needs that namespace
// begins its work with e.inside, which runs it again in there.
package cli
