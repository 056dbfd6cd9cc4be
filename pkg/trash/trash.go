// SPDX-License-Identifier: Apache-2.0

package trash

import (
	"context"

	"coracle/pkg/state"
	"coracle/pkg/worker"
)

// Ops is what a worker does for this package.
func Ops() []worker.Handler { return []worker.Handler{emptyOp} }

// Empty deletes what commands have put aside, and what killed ones have left
// behind; by a worker, if there is any. What somebody is still at work on stays.
func Empty(ctx context.Context, d state.Dirs) error {
	if !d.Tmp().NeedsSweep() {
		return nil
	}
	_, err := emptyOp.Call(ctx, d, struct{}{}, worker.With{})
	return err
}

var emptyOp = worker.Op[struct{}, struct{}]{Name: "trash.empty", Do: func(_ context.Context, j *worker.Job, none struct{}) (struct{}, error) {
	return none, j.Dirs.Tmp().Sweep()
}}
