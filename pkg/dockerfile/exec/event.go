// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"context"
	"errors"
	"sync"
	"time"

	"coracle/pkg/dockerfile/parse"
	"coracle/pkg/dockerfile/plan"
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
	Planned  // before any step: Text is an instruction of the Dockerfile, Name that of the step that does its work, if one does
	Trigger  // likewise, of an instruction that the image below asks for
)

// Event is something that happens to a step of a build. It is plain data.
type Event struct {
	Step int // 1, 2, …; of what is planned the instruction, numbered likewise, on whose result it stands, or 0
	Name string
	Kind Kind
	Text string
	Data []byte
	ID   string // 64 hex digits: when it has Started, of the work; when it is Done or Cached, of the layer or the image that it gives
	Time time.Time
}

// Teller sends events, one at a time.
type Teller struct {
	ctx  context.Context
	mu   sync.Mutex
	send func(Event)
	last int
}

// NewTeller sends events until ctx ends; nil for send sends none.
func NewTeller(ctx context.Context, send func(Event)) *Teller { return &Teller{ctx: ctx, send: send} }

func (t *Teller) emit(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.Time = time.Now()
	if t.send != nil {
		t.send(e)
	}
}

// Report is what the user is told of one step.
type Report struct {
	t    *Teller
	step int
	name string
	id   string
}

// Announce names a step that may turn out to be in the cache.
func (t *Teller) Announce(name string) *Report {
	t.mu.Lock()
	t.last++
	v := &Report{t: t, step: t.last, name: parse.WithoutCredentials(name)}
	t.mu.Unlock()
	v.emit(Event{Kind: Announced})
	return v
}

// Start names a step that has begun.
func (t *Teller) Start(name string) *Report {
	v := t.Announce(name)
	v.Begin()
	return v
}

// Plan tells of the instructions that are going to be carried out.
func (t *Teller) Plan(list []plan.Instruction) {
	for _, in := range list {
		e := Event{Kind: Planned, Step: in.On, Text: parse.WithoutCredentials(in.Text)}
		if in.Trigger {
			e.Kind = Trigger
		}
		if in.Vertex != nil {
			e.Name = parse.WithoutCredentials(in.Vertex.Title)
		}
		t.emit(e)
	}
}

func (v *Report) emit(e Event) {
	e.Step, e.Name, e.ID = v.step, v.name, v.id
	v.t.emit(e)
}

// Is says what the work, or what it gives, is called from now on: 64 hex digits.
func (v *Report) Is(id string) *Report {
	v.id = id
	return v
}

// Begin says that the work has begun.
func (v *Report) Begin() { v.emit(Event{Kind: Started}) }

// Cached says that an earlier build, or an equal step, did the work.
func (v *Report) Cached() { v.emit(Event{Kind: Cached}) }

// Status remarks something.
func (v *Report) Status(s string) { v.emit(Event{Kind: Status, Text: s}) }

// Finish says that the work is done.
func (v *Report) Finish() { v.emit(Event{Kind: Done}) }

// Fail tells of the error and returns it.
func (v *Report) Fail(err error) error {
	if v.t.ctx != nil && v.t.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		v.emit(Event{Kind: Canceled})
		return err
	}
	var other *StepError
	if errors.As(err, &other) { // it has told of it: this one was only waiting
		v.emit(Event{Kind: Canceled})
		return err
	}
	v.emit(Event{Kind: Failed, Text: parse.WithoutCredentials(err.Error())})
	return &StepError{v.step, v.name, err}
}

// Write takes the output of a command.
func (v *Report) Write(p []byte) (int, error) {
	v.emit(Event{Kind: Output, Data: append([]byte(nil), p...)})
	return len(p), nil
}

// StepError says in which step a build failed.
type StepError struct {
	Step int
	Name string // "[2/3] RUN false"
	Err  error
}

func (e *StepError) Error() string { return e.Err.Error() }
func (e *StepError) Unwrap() error { return e.Err }
