// SPDX-License-Identifier: Apache-2.0

// Package client asks the supervisors of containers: to start one, to be
// connected to its process or to another one in it, to stop, pause, change, to
// copy files of one that runs. What a command does to a container that does not
// run is package container's.
//
// # Time
//
// Every function takes a context, whose end ends the call at once with the
// context's error: the connection is closed, which the supervisor takes for a
// client that has left. What was asked for may have been done by then. A
// [Session] belongs to its context until it is closed.
//
// A supervisor that does not answer for 30 seconds, or 2 when a signal has
// stopped it, is given up. Only the end of a process is waited for without limit.
//
// No lock is held while a supervisor is asked: a change is written into the
// record first, then the supervisor is told, and what it refuses is taken back.
package client
