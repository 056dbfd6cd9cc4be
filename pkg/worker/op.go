// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"coracle/pkg/ids"
	"coracle/pkg/ns"
	"coracle/pkg/state"
)

// Op is one kind of request. Request and answer are data, as JSON has it.
type Op[Req, Res any] struct {
	Name string // of all operations: "image.pull"
	// Do carries it out, inside the user namespace. It may answer beside an
	// error, too: with what was done until then.
	Do func(ctx context.Context, j *Job, req Req) (Res, error)
}

// With is what goes along with a request.
type With struct {
	Files []*os.File // the caller's; the worker has copies, under the same names
	// Event is called for one event after the other, in their order, before Call
	// returns. Nil: they are dropped.
	Event func(json.RawMessage)
	// Maps are those of the worker's user namespace, nil for [ids.HostMaps]. A process
	// that is inside of one does not ask who it is.
	Maps *ids.Maps
}

// Job is what an operation has beside its request.
type Job struct {
	Dirs  state.Dirs
	Files []*os.File // those of With; they are closed for it

	event func(json.RawMessage)
}

// Event tells the caller of something on the way to the answer. v is data, as
// JSON has it. It is safe for concurrent use, and waits while the caller is busy.
func (j *Job) Event(v any) {
	if j.event == nil {
		return
	}
	if data, err := json.Marshal(v); err == nil {
		j.event(data)
	}
}

// Handler is an Op of any types.
type Handler interface {
	name() string
	handle(ctx context.Context, j *Job, req json.RawMessage) (json.RawMessage, error)
}

func (o Op[Req, Res]) name() string { return o.Name }

func (o Op[Req, Res]) handle(ctx context.Context, j *Job, req json.RawMessage) (json.RawMessage, error) {
	var r Req
	if err := read(o.Name, req, &r); err != nil {
		return nil, err
	}
	res, err := o.Do(ctx, j, r)
	return written(o.Name, &res, err)
}

func read(name string, req json.RawMessage, into any) error {
	if err := json.Unmarshal(req, into); err != nil {
		return fmt.Errorf("read request %s: %w", name, err)
	}
	return nil
}

// written is an answer as JSON, with the error that came with it.
func written(name string, res any, err error) (json.RawMessage, error) {
	data, merr := json.Marshal(res)
	if merr != nil && err == nil {
		err = fmt.Errorf("answer %s: %w", name, merr)
	}
	return data, err
}

// Call has the request carried out by a worker, or at once in a process that is
// inside of the user namespace. The end of ctx is the end of the context of Do,
// whose error comes back as any other; a worker that does not end for it, since
// it reads from a silent pipe, is killed after a while.
func (o Op[Req, Res]) Call(ctx context.Context, d state.Dirs, req Req, w With) (Res, error) {
	if ns.Inside() {
		return o.Do(ctx, &Job{Dirs: d, Files: w.Files, event: ordered(w.Event)}, req)
	}
	state.MustHoldNone("ask a worker for " + o.Name)
	var res Res
	err := remote(ctx, o.Name, d, &req, &res, w)
	return res, err
}

// remote is Call by a worker; res is where the answer goes. It is not generic, as
// it would be in the program once for each operation.
func remote(ctx context.Context, name string, d state.Dirs, req, res any, w With) error {
	data, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("ask for %s: %w", name, err)
	}
	answer, err := ask(ctx, request{Op: name, Dirs: d, Request: data, Events: w.Event != nil}, w)
	if err != nil {
		return err
	}
	if len(answer.Result) > 0 {
		if err := json.Unmarshal(answer.Result, res); err != nil {
			return fmt.Errorf("read answer to %s: %w", name, err)
		}
	}
	return answer.Error.decode()
}
