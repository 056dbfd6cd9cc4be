// SPDX-License-Identifier: Apache-2.0

// Package cli is the program that a user types: the table of its commands
// (table.go), help, completion, how it begins and ends (app.go), and the commands
// that concern several kinds of objects at once, such as inspect and events. Those
// of one kind are in the rooms beside it: containercmd, imagecmd, networkcmd,
// volumecmd, buildcmd, systemdcmd and ocicmd.
//
// To add a command: write a function of the command's name that returns a
// *cli.Command, in a file of its own in its kind's room; its flags are there, and
// what it does and prints in a second function. Name it in table.go, and if its
// options stop at its first argument, in flags/arrange.go. A noun's verbs have a
// worker inside the user namespace where they need one, and no command knows where
// they run; command.OnImages lets a signal tidy up behind one that changes images.
package cli
