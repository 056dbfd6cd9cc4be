// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"sync"

	"coracle/pkg/oci"
	"coracle/pkg/overlay"
	"coracle/pkg/worker"
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

// Ops is what a worker does for this package. users are asked as by a [Store].
func Ops(users Users) []worker.Handler {
	return []worker.Handler{
		saveVerb.op(users), loadVerb.op(users), importVerb.op(users), commitVerb.op(users), pruneVerb.op(users),
		pullVerb.op(users), pushVerb.op(users), removeVerb.op(users), tagVerb.op(users), reindexVerb.op(users), adoptVerb.op(users),
	}
}

// op is the verb with the store opened for it.
func (v verb[Req, Res]) op(users Users) worker.Op[Req, Res] {
	return worker.Op[Req, Res]{
		Name: v.name,
		Do: func(ctx context.Context, j *worker.Job, r Req) (res Res, err error) {
			err = opened(j, users, func(s *Store) (err error) {
				res, err = v.do(ctx, s, job{j.Files, j.Event}, r)
				return err
			})
			return res, err
		},
	}
}

// opened runs f with the store open.
func opened(j *worker.Job, users Users, f func(*Store) error) error {
	st, err := overlay.OpenInside(j.Dirs)
	if err != nil {
		return err
	}
	return errors.Join(f(Within(st, users)), st.Close())
}

// call carries out a verb whose events are of a transfer.
func call[Req, Res any](ctx context.Context, s *Store, v verb[Req, Res], r Req, files []*os.File, events func(oci.Event)) (Res, error) {
	return callWith(ctx, s, v, r, files, events)
}

// callWith carries out a verb: here if the store is open, else by a worker.
// events, if not nil, is called for one event after the other.
func callWith[Req, Res, Ev any](ctx context.Context, s *Store, v verb[Req, Res], r Req, files []*os.File, events func(Ev)) (Res, error) {
	if s.inner == nil {
		w := worker.With{Files: files}
		if events != nil {
			w.Event = func(data json.RawMessage) {
				var ev Ev
				if json.Unmarshal(data, &ev) == nil {
					events(ev)
				}
			}
		}
		return v.op(s.users).Call(ctx, s.dirs, r, w)
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
