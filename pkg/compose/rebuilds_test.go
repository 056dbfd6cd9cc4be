// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"strings"
	"testing"
)

// TestRebuilds: what is asked for while something is built is built after it, together,
// and a build of what has changed since ends.
func TestRebuilds(t *testing.T) {
	began, goOn := make(chan string), make(chan bool)
	var ended []bool // before their time
	r := newRebuilds(t.Context(), func(_, building context.Context, services []string) {
		began <- strings.Join(services, " ")
		select {
		case <-goOn:
			ended = append(ended, false)
		case <-building.Done():
			ended = append(ended, true)
		}
	})
	r.ask()
	r.ask("b", "a")
	first := <-began
	if first == "a b" {
		r.ask("c")
		r.ask("d")
	} else {
		t.Errorf("first %q", first)
	}
	if !r.running("a") || r.running("c") || !r.asked("c") || r.asked("a") {
		t.Error("who is built, and who is to be?")
	}
	goOn <- true
	if got := <-began; got != "c d" {
		t.Errorf("then %q", got)
	}
	r.ask("d", "e")
	if got := <-began; got != "c d e" {
		t.Errorf("and then %q", got)
	}
	goOn <- true
	r.wait()
	if len(ended) != 3 || ended[0] || !ended[1] || ended[2] {
		t.Errorf("ended before their time: %v", ended)
	}
}
