// SPDX-License-Identifier: Apache-2.0

package dockerfile

import "coracle/pkg/dockerfile/exec"

type (
	// Event is something that happens to a step of a build. It is plain data.
	Event = exec.Event
	// Kind is what an event says of a step.
	Kind = exec.Kind
)

// Kinds of events.
const (
	Announced = exec.Announced
	Started   = exec.Started
	Cached    = exec.Cached
	Status    = exec.Status
	Output    = exec.Output
	Done      = exec.Done
	Failed    = exec.Failed
	Canceled  = exec.Canceled
	Planned   = exec.Planned
	Trigger   = exec.Trigger
)
