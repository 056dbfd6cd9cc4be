// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"coracle/pkg/inroot"
	"coracle/pkg/ns"
	"coracle/pkg/state"
	"coracle/pkg/trash"
	"coracle/pkg/worker"
)

// Ops is what a worker does for this package: what directories take that were
// closed to the caller, by somebody of a subordinate id.
func Ops() []worker.Handler { return []worker.Handler{sizesOp, clearOp} }

// Sizes is what volumes' own directories hold, by name: see [inroot.Size]. Of one
// that is gone it is 0.
func (s *Store) Sizes(ctx context.Context, names []string) (map[string]int64, error) {
	all, err := sizes(s.dirs, names)
	if errors.Is(err, fs.ErrPermission) && !ns.Inside() {
		return sizesOp.Call(ctx, s.dirs, names, worker.With{})
	}
	return all, err
}

var sizesOp = worker.Op[[]string, map[string]int64]{Name: "volume.sizes", Do: func(_ context.Context, j *worker.Job, names []string) (map[string]int64, error) {
	return sizes(j.Dirs, names)
}}

func sizes(d state.Dirs, names []string) (map[string]int64, error) {
	all := map[string]int64{}
	for _, name := range names {
		n, err := inroot.Size(d.Volume(name).Data())
		if err != nil {
			return nil, fmt.Errorf("measure volume %s: %w", name, err)
		}
		all[name] = n
	}
	return all, nil
}

// clear deletes volumes that were discarded, and returns how many bytes they held.
func (s *Store) clear(ctx context.Context, discarded []string) (freed int64, err error) {
	freed, err = measure(discarded)
	if errors.Is(err, fs.ErrPermission) && !ns.Inside() {
		return clearOp.Call(ctx, s.dirs, discarded, worker.With{})
	}
	err = removeAll(discarded) // whatever it holds
	if errors.Is(err, state.ErrNeedsUserNS) {
		err = trash.Empty(ctx, s.dirs)
	}
	return freed, err
}

var clearOp = worker.Op[[]string, int64]{Name: "volume.clear", Do: func(_ context.Context, _ *worker.Job, discarded []string) (int64, error) {
	freed, _ := measure(discarded)
	return freed, removeAll(discarded)
}}

// measure goes on where it cannot look.
func measure(discarded []string) (sum int64, err error) {
	var errs []error
	for _, dir := range discarded {
		n, err := inroot.Size(state.VolumeDir(dir).Data())
		sum, errs = sum+n, append(errs, err)
	}
	return sum, errors.Join(errs...)
}

func removeAll(discarded []string) error {
	var errs []error
	for _, dir := range discarded {
		errs = append(errs, state.RemoveTree(dir))
	}
	return errors.Join(errs...)
}
