// SPDX-License-Identifier: Apache-2.0

package develop

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Quiet is how long nothing has to change before what has is one batch, as with docker
// compose; what changes without an end does not wait longer than Longest.
const (
	Quiet   = 500 * time.Millisecond
	Longest = 5 * time.Second
)

// Batch gives paths together, in their order, each once. While one batch is worked on
// the next is collected: paths never waits. The channel is closed when ctx ends.
func Batch(ctx context.Context, paths <-chan string, quiet, longest time.Duration) <-chan []string {
	out := make(chan []string)
	go func() {
		defer close(out)
		var next []string
		var ready chan<- []string // nil until it is quiet
		var calm, late <-chan time.Time
		seen, overdue := map[string]bool{}, false
		wait := func() { calm, late, ready, overdue = time.After(quiet), time.After(longest), nil, false }
		for {
			select {
			case <-ctx.Done():
				return
			case p := <-paths:
				if len(seen) == 0 {
					wait()
				}
				seen[p], calm = true, time.After(quiet)
				if !overdue {
					ready = nil
				}
			case <-calm:
				next, ready, calm = slices.Sorted(maps.Keys(seen)), out, nil
			case <-late:
				next, ready, late, overdue = slices.Sorted(maps.Keys(seen)), out, nil, true
			case ready <- next:
				for _, p := range next {
					delete(seen, p)
				}
				ready, calm, late = nil, nil, nil
				if len(seen) > 0 { // changed since
					wait()
				}
			}
		}
	}()
	return out
}
