// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"sync"
	"time"

	"coracle/pkg/container"
)

// Docker's restart back-off.
const (
	restartPauseMin = 100 * time.Millisecond
	restartPauseMax = time.Minute
	restartReset    = 10 * time.Second
)

// restarts says whether a process that has ended is followed by another, and how
// soon: by the policy, unless somebody has asked for the end.
type restarts struct {
	pause time.Duration // before the next start; of one goroutine alone

	mu      sync.Mutex
	policy  container.Restart
	stopped bool // somebody asked for the end: the policy does not apply
	last    bool // nor does it after a signal to end
	leaving bool // nor when the host ends, after which the container is wanted again

	once   sync.Once
	cancel chan struct{} // closed when one of these is set
}

func newRestarts(p container.Restart) *restarts {
	return &restarts{policy: p, pause: restartPauseMin, cancel: make(chan struct{})}
}

// change puts another policy in its place.
func (r *restarts) change(p container.Restart) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.policy = p
}

// stop says that somebody has asked for the end.
func (r *restarts) stop() { r.never(func() { r.stopped = true }) }

// end says that the process was sent a signal that ends the container.
func (r *restarts) end() { r.never(func() { r.last = true }) }

// leave says that nothing follows here, though nobody has asked for the end.
func (r *restarts) leave() { r.never(func() { r.leaving = true }) }

func (r *restarts) never(why func()) {
	r.mu.Lock()
	why()
	r.mu.Unlock()
	r.once.Do(func() { close(r.cancel) })
}

// isStopped reports whether somebody has asked for the end.
func (r *restarts) isStopped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopped
}

// isLast reports whether the process was sent a signal that ends the container.
func (r *restarts) isLast() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// wanted reports whether another process follows the one that has ended with code,
// after so many restarts.
func (r *restarts) wanted(code, before int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped || r.last || r.leaving {
		return false
	}
	switch r.policy.Name {
	case "always", "unless-stopped":
		return true
	case "on-failure":
		return code != 0 && (r.policy.Max == 0 || before < r.policy.Max)
	}
	return false
}

// wait pauses before the next start, the longer the sooner the processes before
// have ended, of which the last ran for so long. It reports whether nobody asked for
// the end meanwhile.
func (r *restarts) wait(ran time.Duration) bool {
	if ran >= restartReset {
		r.pause = restartPauseMin
	}
	pause := r.pause
	r.pause = min(2*pause, restartPauseMax)
	return r.rest(pause)
}

// rest waits for so long. It reports whether nobody asked for the end meanwhile.
func (r *restarts) rest(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-r.cancel:
		return false
	}
}
