// SPDX-License-Identifier: Apache-2.0

package worker_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"coracle/pkg/hint"
	"coracle/pkg/worker"
)

// hiding says more than its exported fields do.
type hiding struct {
	Name string
	why  string
}

func (h *hiding) Error() string { return h.Name + ": " + h.why }

// tripping cannot say anything without what is not exported.
type tripping struct {
	Name string
	err  error
}

func (p *tripping) Error() string { return p.err.Error() }
func (p *tripping) Unwrap() error { return p.err }

// holding has an error where JSON has none.
type holding struct{ Err error }

func (h holding) Error() string { return "holding " + h.Err.Error() }

// An error that has crossed is found as what it was, or not at all.
func TestCrossed(t *testing.T) {
	is := func(target error) func(error) bool {
		return func(err error) bool { return errors.Is(err, target) }
	}
	busy := &busyError{"x", []int{1}}
	for name, tt := range map[string]struct {
		err  error
		find func(error) bool
		want bool
	}{
		"a type":                  {busy, func(err error) bool { var b *busyError; return errors.As(err, &b) && b.Name == "x" && b.Pids[0] == 1 }, true},
		"another type":            {busy, func(err error) bool { var h *hiding; return errors.As(err, &h) }, false},
		"the type, no pointer":    {plain{}, func(err error) bool { var p *plain; return errors.As(err, &p) }, false},
		"without fields":          {plain{}, func(err error) bool { var p plain; return errors.As(err, &p) }, true},
		"the first of two":        {errors.Join(&busyError{Name: "1"}, &busyError{Name: "2"}), func(err error) bool { var b *busyError; return errors.As(err, &b) && b.Name == "1" }, true},
		"with a secret":           {&hiding{"x", "y"}, func(err error) bool { var h *hiding; return errors.As(err, &h) }, false},
		"that trips":              {&tripping{"x", errors.New("y")}, func(err error) bool { var p *tripping; return errors.As(err, &p) }, false},
		"what is in one that is":  {&tripping{"x", busy}, func(err error) bool { var b *busyError; return errors.As(err, &b) }, true},
		"an error as a field":     {holding{busy}, func(err error) bool { var h holding; return errors.As(err, &h) }, false},
		"an interface":            {busy, func(err error) bool { var h interface{ Timeout() bool }; return errors.As(err, &h) }, false},
		"a value":                 {errSentinel, is(errSentinel), true},
		"another value":           {errSentinel, is(errors.New("other")), false},
		"a library's":             {fmt.Errorf("x: %w", fs.ErrExist), is(fs.ErrExist), true},
		"a number":                {&fs.PathError{Op: "open", Path: "/x", Err: syscall.EACCES}, is(fs.ErrPermission), true},
		"another number":          {syscall.EACCES, is(syscall.ENOENT), false},
		"an end":                  {context.DeadlineExceeded, is(context.DeadlineExceeded), true},
		"another end":             {context.DeadlineExceeded, is(context.Canceled), false},
		"over two processes":      {worker.Crossed(busy), func(err error) bool { var b *busyError; return errors.As(err, &b) && b.Name == "x" }, true},
		"a value over two":        {worker.Crossed(errSentinel), is(errSentinel), true},
		"wrapped over two, twice": {fmt.Errorf("b: %w", worker.Crossed(fmt.Errorf("a: %w", syscall.ENOENT))), is(fs.ErrNotExist), true},
	} {
		got := worker.Crossed(hint.With(fmt.Errorf("verb noun: %w", tt.err), "do this"))
		if got.Error() != "verb noun: "+tt.err.Error() || hint.Of(got) != "do this" {
			t.Errorf("%s: %v (%s)", name, got, hint.Of(got))
		}
		if tt.find(got) != tt.want {
			t.Errorf("%s: found is %t", name, !tt.want)
		}
	}
	if worker.Crossed(nil) != nil {
		t.Error("nothing is something")
	}
}

// Names of files are bytes, of which JSON keeps those that are text.
func TestCrossedBytes(t *testing.T) {
	var busy *busyError
	for _, err := range []error{&busyError{Name: "\xff"}, fmt.Errorf("%q: %w", "\xff", &busyError{Name: "\xff"})} {
		if got := worker.Crossed(err); !errors.As(got, &busy) || busy.Name != "\ufffd" {
			t.Errorf("%v: %+v", got, busy)
		}
	}
}
