// SPDX-License-Identifier: Apache-2.0

// Package cli is the command line: Docker's flags, words, tables and exit
// codes over the packages below. There is one file per command or small family
// of commands; each has a function that declares the flags and one that does
// the work and prints.
//
// To add a command: write xCommand(e *env) *cli.Command in a file of its own,
// name it in the list in app.go, and if options stop at its first argument, in
// the table in args.go. A command that writes the image store begins its work
// with e.inside, which runs it again inside the user namespace.
package cli
