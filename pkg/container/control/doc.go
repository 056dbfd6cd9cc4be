// SPDX-License-Identifier: Apache-2.0

// Package control is the conversation between a command (package client) and
// the supervisor of a container (package supervise): its messages, and the
// socket at which a supervisor is met. Both are the same program, but perhaps
// not of the same day: a supervisor lives as long as its container runs.
//
// A connection carries one request and the replies to it; a request that
// attaches goes on taking signals and a detach until the replies end.
//
//	command                          supervisor
//	   │  start|attach|exec  [out,err]  │      fds: where the container's output goes
//	   │ ──────────────────────────────►│
//	   │  attached           [in|pty]   │      fds: the writing end of stdin, or the pty
//	   │ ◄──────────────────────────────│
//	   │  started | error               │
//	   │ ◄──────────────────────────────│
//	   │  signal*, detach               │
//	   │ ──────────────────────────────►│
//	   │  exit CODE | lost              │      all output has been written by now, or will never be
//	   │ ◄──────────────────────────────│
//
// While an answer takes long, busy comes again and again: silence means that
// the supervisor does not work any more, and is not waited for.
// The end of the stream before an answer means that the supervisor died, and
// the end of it before the last reply that the command has left.
package control
