// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/state"
)

// TestHold: what one command does of a project is not done by two at once, and its own
// goroutines do not wait for each other.
func TestHold(t *testing.T) {
	dirs := state.Dirs{Root: t.TempDir(), Run: t.TempDir()}
	one := &Engine{Dirs: dirs}
	var warned []string
	two := &Engine{Dirs: dirs, Warn: func(text string) { warned = append(warned, text) }}
	hold := func(e *Engine, project string) func() {
		t.Helper()
		var release func()
		var err error
		var command sync.WaitGroup // a line of work of its own, see pkg/state/order.go
		command.Go(func() { release, err = e.turn.hold(t.Context(), e, project) })
		command.Wait()
		if err != nil {
			t.Fatal(err)
		}
		return release
	}
	free := func(project string) bool {
		l, err := state.TryAcquire(dirs.ProjectLock(project), state.Exclusive)
		l.Release()
		return err == nil
	}
	first, again := hold(one, "shop"), hold(one, "shop")
	hold(two, "other")()
	first()
	first() // which counts once
	if free("shop") || !free("other") {
		t.Error("who holds what")
	}
	got := make(chan func(), 1)
	go func() {
		release, err := two.turn.hold(context.Background(), two, "shop")
		if err != nil {
			t.Error(err)
		}
		got <- release
	}()
	select {
	case <-got:
		t.Error("two at once")
	default:
	}
	again()
	(<-got)()
	if !free("shop") {
		t.Error("it is held by nobody")
	}

	// One that is kept for the Start that follows is given up by it.
	one.turn.keep(hold(one, "shop"))
	gone, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	cancel(why)
	if _, err := two.turn.hold(gone, two, "shop"); !errors.Is(err, why) {
		t.Errorf("%v, want %v", err, why)
	}
	one.turn.releaseKept()
	one.turn.releaseKept()
	hold(two, "shop")()
	for _, text := range warned {
		if !strings.Contains(text, "waits for another command: lock project (shop.lock)") {
			t.Error(text)
		}
	}
	// A project is called what a label says.
	for _, name := range []string{"../../x", "a/b", strings.Repeat("x", 4000), "", "a\x00b"} {
		hold(one, name)()
	}
}

func TestConditional(t *testing.T) {
	p := &types.Project{Services: types.Services{}}
	add := func(name, on, condition string) {
		s := types.ServiceConfig{Name: name}
		if on != "" {
			s.DependsOn = types.DependsOnConfig{on: {Condition: condition}}
		}
		p.Services[name] = s
	}
	add("a", "", "")
	add("b", "a", types.ServiceConditionStarted)
	add("c", "a", types.ServiceConditionHealthy)
	add("d", "c", types.ServiceConditionStarted)
	add("e", "missing", types.ServiceConditionStarted)
	add("f", "b", types.ServiceConditionCompletedSuccessfully)
	for name, want := range map[string]bool{"a": false, "b": false, "c": true, "d": true, "e": false, "f": true} {
		if got := conditional(p, p.Services[name], map[string]bool{}); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
