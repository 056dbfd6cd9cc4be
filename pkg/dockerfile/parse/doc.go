// SPDX-License-Identifier: Apache-2.0

// Package parse turns the text of a Dockerfile into instructions, by BuildKit's
// own parser: directives (syntax, escape), continued lines, here-documents and
// flags are its business. Nothing is expanded and nothing is looked up here;
// that is package plan's.
//
//	parse.go        a file, and its stages; ONBUILD triggers; --change
//	stages.go       stages by name and number, and what an instruction reads
//	excerpt.go      mistakes, with the lines that they are about
//	credentials.go  passwords in URLs, which are not shown
//
// A Dockerfile is hostile: how long it is, how many instructions it has and how
// long its lines are is bounded.
package parse
