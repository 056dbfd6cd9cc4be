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

// arrived and left say that the container has its volumes and networks, and
// that it has them no more.
func (s *supervisor) arrived() { s.store.Arrive(&s.c.Record) }

func (s *supervisor) left() {
	r := s.c.Record
	if now, err := s.store.Load(s.id); err == nil { // its networks may have changed
		r = now.Record
	}
	s.store.Leave(&r)
}

// settle records a state that follows from an event, and the event.
func (s *supervisor) settle(action string, change func(*container.State)) {
	s.record(change)
	s.event(action, nil)
}
