// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"os"
	"strconv"
	"sync"

	"coracle/pkg/container"
	"coracle/pkg/dockerfile"
	"coracle/pkg/image"
	"coracle/pkg/network"
	"coracle/pkg/oci"
	"coracle/pkg/oci/registry"
	"coracle/pkg/state"
	"coracle/pkg/volume"
)

// Event is a step that something of a project takes.
type Event struct {
	Kind   string // Container, Network, Volume, Image, Service
	Name   string
	Status string // docker compose's word: Creating, Created, …
}

// Engine is what projects are run with. Its functions may be called by several
// goroutines at once.
type Engine struct {
	Dirs   state.Dirs
	Access registry.Access

	Tell func(Event)
	Warn func(message string)
	// Pulled and Built hear of the steps of a pull and of a build. Nil: nobody does.
	Pulled func(oci.Event)
	Built  func(service string, e dockerfile.Event)

	turn turn
}

func (e *Engine) containers() *container.Store { return container.NewStore(e.Dirs) }
func (e *Engine) networks() network.Store      { return network.NewStore(e.Dirs) }
func (e *Engine) volumes() *volume.Store       { return container.Volumes(e.Dirs) }
func (e *Engine) images() *image.Store         { return image.NewStore(e.Dirs, container.ImageUsers) }

func (e *Engine) tell(kind, name, status string) {
	if e.Tell != nil {
		e.Tell(Event{kind, name, status})
	}
}

// ofContainer tells what happens to a container.
func (e *Engine) ofContainer(name, status string) { e.tell("Container", name, status) }

func (e *Engine) warn(message string) {
	if e.Warn != nil {
		e.Warn(message)
	}
}

// atOnce is how many things are done at a time, unless COMPOSE_PARALLEL_LIMIT says
// otherwise.
const atOnce = 16

// gate bounds what is done at a time.
func gate() chan struct{} {
	n := atOnce
	if v, err := strconv.Atoi(os.Getenv("COMPOSE_PARALLEL_LIMIT")); err == nil && v > 0 {
		n = v
	}
	return make(chan struct{}, n)
}

// each does f for all of a list, several at a time, and returns the first error;
// after one, what has not begun does not. In the others ctx ends.
func each[T any](ctx context.Context, list []T, f func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	turn := gate()
	var all sync.WaitGroup
	for _, v := range list {
		all.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			if ctx.Err() != nil {
				return
			}
			if err := f(ctx, v); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
