// SPDX-License-Identifier: Apache-2.0

// Package run is the runner of RUN: a command of a build in a box (package box)
// of its own, on the layers below it, with what it changes in a new one. Package
// exec knows it as its Runner only: layers can be told apart from how their
// commands are run, and tests bring a runner of their own.
//
//	run.go      a step's box and options
//	execute.go  the process, its output and its end
//	stubs.go    what the box's mounts leave behind in the layer
package run
