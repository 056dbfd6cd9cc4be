// SPDX-License-Identifier: Apache-2.0

package supervise

import "coracle/pkg/container"

// event writes down what happened to the container.
func (s *supervisor) event(action string, more map[string]string) {
	r := s.c.Record
	if now, err := s.store.Load(s.id); err == nil { // it may have been renamed
		r = now.Record
	}
	s.store.Event(&r, action, more)
}

// settle records a state that follows from an event, and the event.
func (s *supervisor) settle(action string, change func(*container.State)) {
	s.record(change)
	s.event(action, nil)
}
