// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"slices"
	"sync"
)

// rebuilds are those that were asked for: one at a time, of all services together that
// were asked for until it begins. What is asked for while the same is being built was
// changed after it was read: that build ends, and begins again.
type rebuilds struct {
	ctx context.Context
	// do builds, until building ends, and does with that what is to be done until ctx does.
	do func(ctx, building context.Context, services []string)

	mu        sync.Mutex
	next, now map[string]bool
	busy      bool
	interrupt context.CancelFunc
	all       sync.WaitGroup
}

func newRebuilds(ctx context.Context, do func(ctx, building context.Context, services []string)) *rebuilds {
	return &rebuilds{ctx: ctx, do: do, next: map[string]bool{}}
}

// ask wants services to be rebuilt.
func (r *rebuilds) ask(services ...string) {
	if len(services) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	stale := false
	for _, s := range services {
		r.next[s] = true
		stale = stale || r.now[s]
	}
	if stale {
		for s := range r.now {
			r.next[s] = true
		}
		r.interrupt()
	}
	if !r.busy {
		r.busy = true
		r.all.Go(r.work)
	}
}

// asked reports whether a service waits for its turn.
func (r *rebuilds) asked(service string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next[service]
}

// running reports whether a service is being rebuilt.
func (r *rebuilds) running(service string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now[service]
}

func (r *rebuilds) work() {
	for {
		r.mu.Lock()
		if len(r.next) == 0 || r.ctx.Err() != nil {
			r.busy = false
			r.mu.Unlock()
			return
		}
		building, cancel := context.WithCancel(r.ctx)
		r.now, r.next, r.interrupt = r.next, map[string]bool{}, cancel
		list := slices.Sorted(keys(r.now))
		r.mu.Unlock()
		r.do(r.ctx, building, list)
		cancel()
		r.mu.Lock()
		r.now = nil
		r.mu.Unlock()
	}
}

// wait returns when nothing is done any more.
func (r *rebuilds) wait() { r.all.Wait() }
