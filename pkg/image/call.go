// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"os"
	"sync"

	"coracle/pkg/oci"
)

// A verb changes the store: it is carried out where that is open. Its request and
// its answer can be written down.
type verb[Req, Res any] struct {
	name string
	do   func(ctx context.Context, s *Store, j job, r Req) (Res, error)
}

// nothing is an empty request or answer.
type nothing struct{}

// job is what a verb has beside its request.
type job struct {
	files []*os.File
	tell  func(any) // an event to who asked; safe for concurrent use
}

// event tells of the progress of a transfer.
func (j job) event(e oci.Event) { j.tell(e) }

// call carries out a verb whose events are of a transfer.
func call[Req, Res any](ctx context.Context, s *Store, v verb[Req, Res], r Req, files []*os.File, events func(oci.Event)) (Res, error) {
	return callWith(ctx, s, v, r, files, events)
}

// Outside gets done what needs the store, in a process inside the user namespace.
// The request is one of this package's.
type Outside func(ctx context.Context, request any) error

// callWith carries out a verb where the store is open. events, if not nil, is
// called for one event after the other.
func callWith[Req, Res, Ev any](ctx context.Context, s *Store, v verb[Req, Res], r Req, files []*os.File, events func(Ev)) (Res, error) {
	if s.inner == nil {
		var none Res
		return none, s.outside(ctx, r)
	}
	var mu sync.Mutex
	return v.do(ctx, s, job{files, func(e any) {
		if ev, ok := e.(Ev); ok && events != nil {
			mu.Lock()
			defer mu.Unlock()
			events(ev)
		}
	}}, r)
}
