// SPDX-License-Identifier: Apache-2.0

// Package logfile writes and reads a container's output in the form of
// Docker's json-file log driver: one JSON object per line,
//
//	{"log":"text\n","stream":"stdout","time":"2026-01-02T15:04:05.123456789Z"}
//
// so that what reads Docker's logs reads these. A line of output longer than
// [MaxLine] is split into several objects of which only the last ends in a
// newline. The writer appends whole objects with one write(2) each time, so a
// reader that stops at the last newline never sees a torn one.
//
// A log with a bound is rotated: LOG becomes LOG.1, that LOG.2, and so on. Only
// whole objects stand in each, and a reader that follows finds its way by the
// files' inodes.
package logfile
