// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/compose/convert"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/state"
	"coracle/pkg/trash"
)

// Removal says how containers are removed.
type Removal struct {
	Stop    bool // those that run, first
	Volumes bool // with their volumes without a name
	Timeout *int // seconds; nil: the container's own
	Project *types.Project
}

// Stop stops containers, each service after those that depend on it. P may be nil:
// what they depend on is in their labels.
func (e *Engine) Stop(ctx context.Context, list []*container.Container, timeout *int, p *types.Project) error {
	release, err := e.turn.holdFor(ctx, e, list)
	if err != nil {
		return err
	}
	defer release()
	return backwards(ctx, list, func(ctx context.Context, c *container.Container) error { return e.stopOne(ctx, c, timeout, p) })
}

// Remove removes containers in the same order.
func (e *Engine) Remove(ctx context.Context, list []*container.Container, r Removal) error {
	release, err := e.turn.holdFor(ctx, e, list)
	if err != nil {
		return err
	}
	defer release()
	err = backwards(ctx, list, func(ctx context.Context, c *container.Container) error { return e.removeOne(ctx, c, r) })
	return errors.Join(err, trash.Empty(ctx, e.Dirs))
}

// Signal sends a signal to those that run.
func (e *Engine) Signal(ctx context.Context, list []*container.Container, sig syscall.Signal) error {
	return each(ctx, list, func(ctx context.Context, c *container.Container) error {
		if !c.State.IsRunning() {
			return nil
		}
		e.ofContainer(c.Name, "Killing")
		if err := client.Signal(ctx, c, sig); err != nil && !errors.Is(err, container.ErrNotRunning) {
			return err
		}
		e.ofContainer(c.Name, "Killed")
		return nil
	})
}

func (e *Engine) stopOne(ctx context.Context, c *container.Container, timeout *int, p *types.Project) error {
	e.ofContainer(c.Name, "Stopping")
	if err := e.stopQuietly(ctx, c, timeout, p); err != nil {
		return err
	}
	e.ofContainer(c.Name, "Stopped")
	return nil
}

// stopQuietly stops a container as it is now, after what is to be done before.
func (e *Engine) stopQuietly(ctx context.Context, c *container.Container, timeout *int, p *types.Project) error {
	now, err := e.containers().Load(c.ID)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if p != nil && now.State.Status == container.Running {
		for _, h := range p.Services[ServiceOf(c)].PreStop {
			if err := e.hook(ctx, now, h); err != nil {
				e.warn(fmt.Sprintf("pre_stop: %v", err))
			}
		}
	}
	return client.Stop(ctx, now, 0, timeout)
}

func (e *Engine) removeOne(ctx context.Context, c *container.Container, r Removal) error {
	if r.Stop {
		if err := e.stopOne(ctx, c, r.Timeout, r.Project); err != nil {
			return err
		}
	}
	e.ofContainer(c.Name, "Removing")
	if err := e.discard(ctx, c, r.Volumes); err != nil {
		return err
	}
	e.ofContainer(c.Name, "Removed")
	return nil
}

// discard removes a container that does not run; what needs a user namespace to be
// deleted is left for [trash.Empty].
func (e *Engine) discard(ctx context.Context, c *container.Container, volumes bool) error {
	settled := func(err error) error {
		if errors.Is(err, state.ErrNeedsUserNS) {
			return nil
		}
		return err
	}
	if err := settled(e.containers().Remove(ctx, c)); err != nil && !gone(err) {
		return err
	}
	if !volumes {
		return nil
	}
	return settled(e.volumes().RemoveAnonymous(ctx, c.VolumeNames()))
}

func gone(err error) bool {
	var missing *container.NotFoundError
	return errors.As(err, &missing)
}

// backwards does f for containers, several at a time, those of a service when it is
// done for all that depend on it. It goes on after an error.
func backwards(ctx context.Context, list []*container.Container, f func(context.Context, *container.Container) error) error {
	by := map[string][]*container.Container{}
	for _, c := range list {
		by[ServiceOf(c)] = append(by[ServiceOf(c)], c)
	}
	dependents, done := dependentsOf(by), map[string]chan struct{}{}
	for name := range by {
		done[name] = make(chan struct{})
	}
	var mu sync.Mutex
	var bad []error
	var all sync.WaitGroup
	turn := gate()
	for name, list := range by {
		all.Go(func() {
			defer close(done[name])
			for _, d := range dependents[name] {
				<-done[d]
			}
			var own sync.WaitGroup
			for _, c := range list {
				own.Go(func() {
					turn <- struct{}{}
					defer func() { <-turn }()
					if err := f(ctx, c); err != nil {
						mu.Lock()
						defer mu.Unlock()
						bad = append(bad, err)
					}
				})
			}
			own.Wait()
		})
	}
	all.Wait()
	return errors.Join(bad...)
}

// dependentsOf are, for each service, those that depend on it, as the labels of
// containers say. What the labels of a circle say, who wrote them ever, is left out
// where it would close.
func dependentsOf(by map[string][]*container.Container) map[string][]string {
	needs := map[string][]string{}
	for name, list := range by {
		for _, d := range convert.ParseDependencies(list[0].Labels[convert.LabelDependsOn]) {
			if _, ok := by[d.Service]; ok {
				needs[name] = append(needs[name], d.Service)
			}
		}
	}
	dependents := map[string][]string{}
	visited := map[string]bool{}
	var visit func(name string, way []string)
	visit = func(name string, way []string) {
		visited[name] = true
		for _, to := range needs[name] {
			if to == name || slices.Contains(way, to) {
				continue
			}
			dependents[to] = append(dependents[to], name)
			if !visited[to] {
				visit(to, append(slices.Clone(way), name))
			}
		}
	}
	for _, name := range slices.Sorted(keys(by)) {
		if !visited[name] {
			visit(name, nil)
		}
	}
	return dependents
}

// running are those of a list that run.
func running(list []*container.Container) []*container.Container {
	return slices.DeleteFunc(slices.Clone(list), func(c *container.Container) bool { return !c.State.IsRunning() })
}
