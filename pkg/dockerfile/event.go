// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"
	"errors"
	"sync"
	"time"

	"coracle/pkg/dockerfile/parse"
)

// Kind is what an event says of a step.
type Kind int

// Kinds of events.
const (
	Announced Kind = iota // the step has a name, and its result may be in the cache
	Started
	Cached
	Status // Text is a remark
	Output // Data is what the command wrote
	Done
	Failed   // Text is why
	Canceled // another step has failed, or the user has had enough
)

// Event is something that happens to a step of a build. It is plain data.
type Event struct {
	Step int // 1, 2, …
	Name string
	Kind Kind
	Text string
	Data []byte
	Time time.Time
}

// teller sends events, one at a time.
type teller struct {
	ctx  context.Context
	mu   sync.Mutex
	send func(Event)
	last int
}

func (t *teller) emit(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.Time = time.Now()
	if t.send != nil {
		t.send(e)
	}
}

// vertex is a step that is told of.
type vertex struct {
	t    *teller
	step int
	name string
}

// announce names a step that may turn out to be in the cache.
func (t *teller) announce(name string) *vertex {
	t.mu.Lock()
	t.last++
	v := &vertex{t: t, step: t.last, name: parse.WithoutCredentials(name)}
	t.mu.Unlock()
	v.emit(Event{Kind: Announced})
	return v
}

// start names a step that has begun.
func (t *teller) start(name string) *vertex {
	v := t.announce(name)
	v.begin()
	return v
}

func (v *vertex) emit(e Event) {
	e.Step, e.Name = v.step, v.name
	v.t.emit(e)
}

func (v *vertex) begin()          { v.emit(Event{Kind: Started}) }
func (v *vertex) cached()         { v.emit(Event{Kind: Cached}) }
func (v *vertex) status(s string) { v.emit(Event{Kind: Status, Text: s}) }
func (v *vertex) finish()         { v.emit(Event{Kind: Done}) }

// fail tells of the error and returns it.
func (v *vertex) fail(err error) error {
	if v.t.ctx != nil && v.t.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		v.emit(Event{Kind: Canceled})
		return err
	}
	var other *stepError
	if errors.As(err, &other) { // it has told of it: this one was only waiting
		v.emit(Event{Kind: Canceled})
		return err
	}
	v.emit(Event{Kind: Failed, Text: parse.WithoutCredentials(err.Error())})
	return &stepError{step: v.step, name: v.name, err: err}
}

// Write takes the output of a command.
func (v *vertex) Write(p []byte) (int, error) {
	v.emit(Event{Kind: Output, Data: append([]byte(nil), p...)})
	return len(p), nil
}
