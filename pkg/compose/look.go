// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"fmt"
	"sync"

	"coracle/pkg/container"
	"coracle/pkg/container/client"
)

// Processes are those that run in a container.
func Processes(e *Engine, c *container.Container) ([]container.ProcessInfo, error) {
	list, err := c.Processes()
	if err == nil {
		e.containers().Event(&c.Record, "top", nil)
	}
	return list, err
}

// Pause stops the processes of containers where they are.
func Pause(ctx context.Context, e *Engine, list []*container.Container) error {
	return freeze(ctx, e, list, client.Pause, "Paused")
}

// Unpause lets them go on.
func Unpause(ctx context.Context, e *Engine, list []*container.Container) error {
	return freeze(ctx, e, list, client.Unpause, "Unpaused")
}

func freeze(ctx context.Context, e *Engine, list []*container.Container, do func(context.Context, *container.Container) error, status string) error {
	return each(ctx, list, func(ctx context.Context, c *container.Container) error {
		if err := do(ctx, c); err != nil {
			return err
		}
		e.ofContainer(c.Name, status)
		return nil
	})
}

// Wait waits until none of the containers runs, and calls ended for each, one at a
// time, in the order of their ends. However many there are, all are waited for at once.
func Wait(ctx context.Context, e *Engine, list []*container.Container, ended func(c *container.Container, code int)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, c := range list {
		all.Go(func() {
			code, err := client.Wait(ctx, e.containers(), c)
			if err != nil {
				cancel(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ended(c, code)
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// ToWaitFor are the containers that Wait is for: those that run, and where none does
// those that ran.
func (o Observed) ToWaitFor(project string, services ...string) ([]*container.Container, error) {
	var list []*container.Container
	all := o.WithOneoff(services...)
	for _, c := range all {
		if c.State.IsRunning() {
			list = append(list, c)
		}
	}
	switch {
	case len(list) > 0:
		return list, nil
	case len(all) == 0:
		return nil, fmt.Errorf("no containers for project %q", project)
	}
	return all, nil
}
