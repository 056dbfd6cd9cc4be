// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"coracle/pkg/container"
	"coracle/pkg/events"
)

// Watch tells who waits for containers when something has happened to them.
type Watch struct {
	e     *Engine
	begin func() // to follow the journal, once

	mu sync.Mutex
	by map[string][]chan struct{} // who waits, by container
}

// After an event a state is read again soon, and then ever more rarely: of an end the
// journal knows a moment before the state does; and an event that could not be
// written, on a full disk, is to keep nobody waiting.
const (
	soon   = 20 * time.Millisecond
	rarely = 2 * time.Second
)

// settled is how long what has no check has to have been running to count: a program
// that ends at once never was.
const settled = 200 * time.Millisecond

// NewWatch is a watch that ends with ctx. It follows the journal of events from when
// somebody waits for the first time: most projects start without.
func (e *Engine) NewWatch(ctx context.Context) *Watch {
	w := &Watch{e: e, by: map[string][]chan struct{}{}}
	w.begin = sync.OnceFunc(func() { w.follow(ctx) })
	return w
}

// follow returns once the journal is followed, or cannot be.
func (w *Watch) follow(ctx context.Context) {
	ready := make(chan struct{})
	listening := sync.OnceFunc(func() { close(ready) })
	go func() {
		defer listening()
		_ = events.Read(ctx, w.e.Dirs.Root, events.Options{Follow: true, Ready: listening}, func(ev events.Event) error {
			if ev.Type == events.Container {
				w.happened(ev.Actor.ID)
			}
			return nil
		})
	}()
	<-ready
}

func (w *Watch) happened(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ch := range w.by[id] {
		select {
		case ch <- struct{}{}:
		default: // it has not looked yet
		}
	}
}

func (w *Watch) subscribe(id string) (ch chan struct{}, end func()) {
	ch = make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.by[id] = append(w.by[id], ch)
	return ch, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for i, c := range w.by[id] {
			if c == ch {
				w.by[id] = append(w.by[id][:i:i], w.by[id][i+1:]...)
				return
			}
		}
	}
}

// Await returns when a container is as is says, or is says that it never will be.
func (w *Watch) Await(ctx context.Context, id string, is func(*container.Container) (bool, error)) error {
	w.begin()
	news, end := w.subscribe(id)
	defer end()
	for again := soon; ; again = min(2*again, rarely) {
		c, err := w.e.containers().Load(id)
		if err != nil {
			return err
		}
		if ok, err := is(c); ok || err != nil {
			return err
		}
		select {
		case <-news:
			again = soon / 2
		case <-time.After(again):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Healthy is for Await: a container that runs and whose check says so. Without a
// check it is an error, unless running is enough.
func Healthy(runningIsEnough bool) func(*container.Container) (bool, error) {
	return func(c *container.Container) (bool, error) {
		switch {
		case c.State.Status == container.Exited:
			return false, fmt.Errorf("container %s exited (%d)", c.Name, c.State.ExitCode)
		case c.State.Status == container.Created:
			return false, nil
		case !c.Health.Enabled() && runningIsEnough:
			return c.State.Status == container.Running && time.Since(c.State.StartedAt) >= settled, nil
		case !c.Health.Enabled():
			return false, fmt.Errorf("container %s has no healthcheck configured", c.Name)
		case c.State.Health == nil:
			return false, nil
		case c.State.Health.Status == container.Unhealthy:
			return false, fmt.Errorf("container %s is unhealthy", c.Name)
		}
		return c.State.Health.Status == container.Healthy, nil
	}
}

// exitedError is the end of a container with another code than 0.
type exitedError struct {
	name string
	code int
}

func (e *exitedError) Error() string { return fmt.Sprintf("container %s exited (%d)", e.name, e.code) }

// completed is for Await: a container that has ended with 0.
func completed(c *container.Container) (bool, error) {
	switch {
	case c.State.Status != container.Exited:
		return false, nil
	case c.State.ExitCode != 0:
		return false, &exitedError{c.Name, c.State.ExitCode}
	}
	return true, nil
}

// codeOf is the exit code that an error is about, or -1.
func codeOf(err error) int {
	var exited *exitedError
	if errors.As(err, &exited) {
		return exited.code
	}
	return -1
}
