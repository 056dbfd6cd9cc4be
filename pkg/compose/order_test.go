// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"coracle/pkg/compose/convert"
	"coracle/pkg/container"
	"coracle/pkg/events"
	"coracle/pkg/state"
)

// of is a container of a service that depends on others.
func of(service, needs string) *container.Container {
	return &container.Container{Record: container.Record{ID: state.NewID(), Name: service, Labels: map[string]string{
		convert.LabelService: service, convert.LabelDependsOn: needs,
	}}}
}

// TestBackwards: a service is stopped after those that depend on it; what labels in a
// circle say keeps nobody waiting; an error stops nobody else.
func TestBackwards(t *testing.T) {
	for _, c := range []struct {
		name string
		list []*container.Container
		want [][2]string // before, after
	}{
		{"chain", []*container.Container{of("a", ""), of("b", "a:service_started:false"), of("c", "b:service_healthy:true,a")}, [][2]string{{"c", "b"}, {"b", "a"}}},
		{"circle", []*container.Container{of("a", "b"), of("b", "c"), of("c", "a")}, nil},
		{"itself", []*container.Container{of("a", "a,gone,b"), of("b", "")}, [][2]string{{"a", "b"}}},
		{"two of one", []*container.Container{of("a", ""), of("a", ""), of("b", "a")}, [][2]string{{"b", "a"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var mu sync.Mutex
			var order []string
			err := backwards(t.Context(), c.list, func(_ context.Context, c *container.Container) error {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, c.Name)
				return errors.New(c.Name + " failed")
			})
			if len(order) != len(c.list) || err == nil || strings.Count(err.Error(), "failed") != len(c.list) {
				t.Errorf("did %v: %v", order, err)
			}
			for _, w := range c.want {
				if slices.Index(order, w[0]) > slices.Index(order, w[1]) {
					t.Errorf("%s after %s: %v", w[0], w[1], order)
				}
			}
		})
	}
}

// TestEach: no more at a time than are to be, and after an error nothing begins.
func TestEach(t *testing.T) {
	t.Setenv("COMPOSE_PARALLEL_LIMIT", "2")
	var now, most, done atomic.Int32
	err := each(t.Context(), make([]int, 20), func(context.Context, int) error {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		done.Add(1)
		return nil
	})
	if err != nil || done.Load() != 20 || most.Load() > 2 {
		t.Errorf("did %d, %d at a time: %v", done.Load(), most.Load(), err)
	}
	t.Setenv("COMPOSE_PARALLEL_LIMIT", "1")
	done.Store(0)
	wrong := errors.New("wrong")
	err = each(t.Context(), make([]int, 20), func(context.Context, int) error {
		done.Add(1)
		return wrong
	})
	if !errors.Is(err, wrong) || done.Load() != 1 {
		t.Errorf("did %d: %v", done.Load(), err)
	}
}

// TestOrder: each after those that it depends on; a circle is named.
func TestOrder(t *testing.T) {
	p := projectOf(t, "services: {a: {image: x, depends_on: [c]}, b: {image: x}, c: {image: x, depends_on: [b]}}")
	if got, err := Order(p); err != nil || strings.Join(got, " ") != "b c a" {
		t.Errorf("%v %v", got, err)
	}
	b := p.Services["b"]
	b.DependsOn = p.Services["a"].DependsOn
	p.Services["b"] = b
	if _, err := Order(p); err == nil || !strings.Contains(err.Error(), "dependency cycle detected: ") {
		t.Error(err)
	}
}

// TestAwait: who waits looks again when the journal has something about the container,
// and ends with what it found, or with its context.
func TestAwait(t *testing.T) {
	d, err := state.Open(filepath.Join(t.TempDir(), "root"))
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{Dirs: d}
	cs := e.containers()
	r := &container.Record{ID: state.NewID(), Name: "cc", Process: container.Process{Cmd: []string{"true"}}}
	if err := cs.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	watch := e.NewWatch(t.Context())
	looked := make(chan struct{}, 1000)
	var ready atomic.Bool
	done := make(chan error, 1)
	go func() {
		done <- watch.Await(t.Context(), r.ID, func(c *container.Container) (bool, error) {
			looked <- struct{}{}
			return ready.Load(), nil
		})
	}()
	<-looked
	ready.Store(true)
	if err := events.Append(d.Root, events.New(events.Container, "die", r.ID, nil)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	wrong := errors.New("never")
	if err := watch.Await(t.Context(), r.ID, func(*container.Container) (bool, error) { return false, wrong }); !errors.Is(err, wrong) {
		t.Error(err)
	}
	late := errors.New("too late")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(late)
	if err := watch.Await(ctx, r.ID, func(*container.Container) (bool, error) { return false, nil }); !errors.Is(err, late) {
		t.Error(err)
	}
	var missing *container.NotFoundError
	if err := watch.Await(t.Context(), state.NewID(), nil); !errors.As(err, &missing) {
		t.Errorf("a container that is not there: %v", err)
	}
}

// TestHealthy: what a state says to who waits for health.
func TestHealthy(t *testing.T) {
	check := &container.HealthCheck{Test: []string{"CMD", "true"}}
	for _, c := range []struct {
		name   string
		check  *container.HealthCheck
		state  container.State
		enough bool
		want   bool
		err    string
	}{
		{"not started", check, container.State{Status: container.Created}, false, false, ""},
		{"without a check", nil, container.State{Status: container.Running}, false, false, "container c has no healthcheck configured"},
		{"running is enough", nil, container.State{Status: container.Running}, true, true, ""},
		{"starting", check, container.State{Status: container.Running, Health: &container.Health{Status: container.HealthStarting}}, true, false, ""},
		{"not known yet", check, container.State{Status: container.Running}, true, false, ""},
		{"healthy", check, container.State{Status: container.Running, Health: &container.Health{Status: container.Healthy}}, false, true, ""},
		{"unhealthy", check, container.State{Status: container.Running, Health: &container.Health{Status: container.Unhealthy}}, false, false, "container c is unhealthy"},
		{"ended", check, container.State{Status: container.Exited, ExitCode: 3}, true, false, "container c exited (3)"},
	} {
		ctr := &container.Container{Record: container.Record{Name: "c", Health: c.check}, State: c.state}
		got, err := Healthy(c.enough)(ctr)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%s: %v %v", c.name, got, err)
		}
	}
	ended := &container.Container{Record: container.Record{Name: "c"}, State: container.State{Status: container.Exited, ExitCode: 4}}
	if _, err := completed(ended); codeOf(err) != 4 {
		t.Error(err)
	}
	ended.State.ExitCode = 0
	if ok, err := completed(ended); !ok || err != nil || codeOf(err) != -1 {
		t.Error(ok, err)
	}
}
