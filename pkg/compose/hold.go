// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"coracle/pkg/compose/convert"
	"coracle/pkg/container"
	"coracle/pkg/state"
)

// turn is a command's turn to change a project. Its goroutines share it: one command
// waits for another, never for itself.
type turn struct {
	mu    sync.Mutex
	lock  *state.Lock
	holds int
	kept  func() // gives up the hold that Create keeps for Start
}

// hold waits until no other command changes a project, and keeps others from it until
// the returned function is called. It is held while something is made, started, stopped
// or removed, and not while a condition is waited for that may never come.
func (t *turn) hold(ctx context.Context, e *Engine, project string) (release func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.holds == 0 {
		if t.lock, err = lockProject(ctx, e, project); err != nil {
			return nil, err
		}
	}
	t.holds++
	return sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.holds--; t.holds == 0 {
			t.lock.Release()
		}
	}), nil
}

// sayWho is when somebody who waits is told for whom.
const sayWho = 2 * time.Second

func lockProject(ctx context.Context, e *Engine, project string) (*state.Lock, error) {
	if err := os.MkdirAll(e.Dirs.Projects(), 0o700); err != nil {
		return nil, err
	}
	file := e.Dirs.ProjectLock(project)
	first, cancel := context.WithTimeout(ctx, sayWho)
	defer cancel()
	l, err := state.Acquire(first, file, state.Exclusive)
	if errors.Is(err, state.ErrLocked) && ctx.Err() == nil {
		e.warn("waits for another command: " + err.Error())
	}
	for errors.Is(err, state.ErrLocked) && ctx.Err() == nil {
		l, err = state.Acquire(ctx, file, state.Exclusive)
	}
	if ctx.Err() != nil && err != nil {
		return nil, context.Cause(ctx)
	}
	return l, err
}

// holdFor is hold for the project that containers are of.
func (t *turn) holdFor(ctx context.Context, e *Engine, list []*container.Container) (release func(), err error) {
	if len(list) == 0 {
		return func() {}, nil
	}
	return t.hold(ctx, e, list[0].Labels[convert.LabelProject])
}

// keep leaves the hold of a Create to the Start that follows, so that nobody comes
// between them.
func (t *turn) keep(release func()) {
	t.mu.Lock()
	before := t.kept
	t.kept = release
	t.mu.Unlock()
	if before != nil {
		before()
	}
}

// releaseKept gives up what a Create has kept.
func (t *turn) releaseKept() { t.keep(nil) }
