// SPDX-License-Identifier: Apache-2.0

// Package first begins the stages that become a container's program before the
// rest of this program is initialised, which they need nothing of.
//
// Go initialises packages one after the other: of those whose imports are all
// initialised, the one whose import path sorts first (the language's
// specification, "Program initialization"; the order of paths since Go 1.21).
// This package imports package child and little else, and "coracle" sorts
// before the modules that the command line, the network and the image store
// come with. So its init function runs when about half of the packages have
// not had theirs, and a stage that ends in execve never pays for them: tables,
// regular expressions and the pages that hold them.
//
// It is the one init function of this program. Whatever package child comes to
// import is paid for in every start of a container and in every exec, and most
// of all a path that sorts late: net waits for vendor/golang.org/x/net, and
// everything else with it. hack/check-imports.sh keeps those out.
package first
