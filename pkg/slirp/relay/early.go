// SPDX-License-Identifier: Apache-2.0

package relay

import "time"

// earlyPause is how often a server that does not listen yet is asked again.
const earlyPause = 20 * time.Millisecond

// postpone has a visitor wait for a server that does not listen yet. It reports
// whether that one is awaited.
func (r *Loop) postpone(e *end) bool {
	now := time.Now()
	if !e.port.server.awaited(now) {
		return false
	}
	e.connecting = true // the visitor is watched for leaving, and nothing else
	r.early = append(r.early, e)
	if r.again.IsZero() {
		r.again = now.Add(earlyPause)
	}
	return true
}

// connectEarly tries again for visitors who wait: one of a server that is still
// awaited, and all of one that has been met, or is awaited no more.
func (r *Loop) connectEarly() {
	now := time.Now()
	if r.again.IsZero() || now.Before(r.again) {
		return
	}
	waiting := r.early
	r.again, r.early = time.Time{}, nil
	asked := map[*Server]bool{}
	for _, e := range waiting {
		s := e.port.server
		switch {
		case e.other.fd < 0: // the visitor has left
		case s.awaited(now) && asked[s]:
			r.postpone(e)
		default:
			asked[s] = true
			r.retry(e)
		}
	}
}

// retry connects a visitor who has waited.
func (r *Loop) retry(e *end) {
	e.connecting, e.attempts = false, e.port.attempts(e.from, r.transparent)
	switch {
	case r.connect(e):
		if !e.connecting {
			r.met(e)
		}
	case !r.postpone(e):
		r.drop(e.other, true)
	}
}
