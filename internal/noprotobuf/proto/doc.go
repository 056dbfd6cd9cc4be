// SPDX-License-Identifier: Apache-2.0

// Package proto, with its neighbours, stands in for Protocol Buffers, which
// nothing of coracle speaks. The library that reads Dockerfiles,
// github.com/moby/buildkit/frontend/dockerfile/parser, links them for the form
// that BuildKit's daemon would send a stack trace of its errors in. They would
// be 2.3 MB of the program, and 14 packages to initialise in each of its processes
// at start.
//
// Here is what that library needs to be compiled: types without any content,
// and functions that fail. It is found by the line "replace" of the program's
// go.mod. Where a newer BuildKit needs more than this, the program does not
// compile.
package proto
