// SPDX-License-Identifier: Apache-2.0

// Package flags is Docker's syntax of flags over urfave/cli: which ways to write
// a command line mean the same (-it, -p8080:80, flags behind arguments), what
// the values of each flag are and what refuses others, in the words of
// docker/cli and spf13/pflag, and the text of --help.
package flags
