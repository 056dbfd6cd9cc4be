// SPDX-License-Identifier: Apache-2.0

// Package events is the journal of what happened: one file below the root, one
// line of JSON for each event in the form that Docker's interface gives it.
//
// Whoever does something appends: commands, and the supervisors of containers.
// A line is one write(2) on a descriptor with O_APPEND, and so arrives whole. A
// journal that has grown is renamed and begun again; readers read both.
package events
