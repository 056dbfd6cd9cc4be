// SPDX-License-Identifier: Apache-2.0

// Package cli is the command line: Docker's flags, words, tables and exit
// codes over the packages below. There is one file per command; each has a
// function that declares the flags and one that does the work and prints.
//
// To add a command: write xCommand(e *env) *cli.Command in a file of its own,
// name it in the list in app.go, and if options stop at its first argument, in
// the table in args.go. What changes images is done by command.OnImages,
// which lets a signal tidy up; a noun's verbs have a worker inside the user
// namespace where they need one, and no command knows where they run.
package cli
