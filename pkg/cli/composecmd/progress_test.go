// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"coracle/pkg/cli/command"
	"coracle/pkg/compose"
	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/hint"
)

// TestProgress: a line for each step, in the form that was asked for.
func TestProgress(t *testing.T) {
	for mode, want := range map[string]string{
		"plain": " Container p-a-1 Started\nonce\n", "quiet": "once\n",
		"json": `{"id":"Container p-a-1","status":"Started"}` + "\nonce\n",
	} {
		var b bytes.Buffer
		p := &progress{w: &b, mode: mode}
		p.event(compose.Event{Kind: "Container", Name: "p-a-1", Status: "Started"})
		p.once("once", "x")
		p.once("again", "x")
		if b.String() != want {
			t.Errorf("%s: %q", mode, b.String())
		}
	}
}

// TestWhoseWords: the engine's errors have its prefix, compose's own have none, and
// hints stay.
func TestWhoseWords(t *testing.T) {
	s := &session{Env: &command.Env{Program: "docker"}, show: &progress{}}
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("anything"), "anything"},
		{&container.NotFoundError{Arg: "x"}, "Error response from daemon: No such container: x"},
		{fmt.Errorf("service %q: %w", "a", &docker.Refusal{Kind: docker.Invalid, Message: "no"}), `service "a": no`},
		{&docker.Refusal{Kind: docker.Conflict, Message: "taken"}, "Error response from daemon: taken"},
	} {
		if got := command.Message(s.Env, s.failed(c.err)); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
	if s.failed(nil) != nil || hint.Of(s.failed(hint.With(errors.New("x"), "do this"))) != "do this" {
		t.Error("the hint is lost")
	}
	code := command.Exit(7)
	if !errors.Is(s.failed(code), code) {
		t.Error("the code is lost")
	}
}

// TestPairs: KEY=VALUE, and KEY for the caller's.
func TestPairs(t *testing.T) {
	t.Setenv("OWN", "mine")
	got := pairs([]string{"A=b=c", "OWN", "E="})
	if len(got) != 3 || got["A"] != "b=c" || got["OWN"] != "mine" || got["E"] != "" {
		t.Error(got)
	}
}
