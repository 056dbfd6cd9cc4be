// SPDX-License-Identifier: Apache-2.0

package hint_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
)

// silent is an error whose kind has hints, and which has none itself.
type silent struct{ err error }

func (s *silent) Error() string { return "silent: " + s.err.Error() }
func (s *silent) Unwrap() error { return s.err }
func (s *silent) Hint() string  { return "" }

type lone struct{ silent }

func (l *lone) Unwrap() []error { return nil }

func TestOf(t *testing.T) {
	plain := errors.New("plain")
	with := hint.With(plain, "do this")
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"nothing":               {nil, ""},
		"no hint":               {plain, ""},
		"one":                   {with, "do this"},
		"below another":         {fmt.Errorf("open: %w", with), "do this"},
		"the outermost counts":  {hint.With(fmt.Errorf("x: %w", with), "rather that"), "rather that"},
		"one of several":        {errors.Join(plain, with), "do this"},
		"a kind without one":    {&silent{plain}, ""},
		"below a silent one":    {fmt.Errorf("x: %w", &silent{with}), "do this"},
		"below two silent ones": {&silent{&silent{with}}, "do this"},
		"no way further":        {&lone{silent{with}}, ""},
	} {
		if got := hint.Of(c.err); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestWithKeepsTheError(t *testing.T) {
	if err := hint.With(nil, "x"); err != nil {
		t.Errorf("an error out of nothing: %v", err)
	}
	if err := errors.New("x"); hint.With(err, "") != err {
		t.Error("an error without a hint is wrapped")
	}
	err := hint.With(&fs.PathError{Op: "open", Path: "/x", Err: fs.ErrNotExist}, "make it")
	var pe *fs.PathError
	if err.Error() != "open /x: file does not exist" || !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &pe) {
		t.Errorf("%v is not what it was", err)
	}
}

// A limit of this process is named where nothing else is known, and only where there
// is one.
func TestOfLimits(t *testing.T) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		t.Fatal(err)
	}
	err := fmt.Errorf("open x: %w", unix.EMFILE)
	want := fmt.Sprintf("too few open files: raise ulimit -n (now %d) (see: coracle doctor limits)", r.Cur)
	if r.Cur == unix.RLIM_INFINITY {
		want = ""
	}
	if got := hint.Of(err); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := hint.Of(hint.With(err, "rather that")); got != "rather that" {
		t.Errorf("%q", got)
	}
}

func TestAbout(t *testing.T) {
	err := hint.About(hint.UserNamespaces, errors.New("plain"), "do this")
	if got := hint.Of(err); got != "do this (see: coracle doctor user namespaces)" {
		t.Errorf("%q", got)
	}
	if got := hint.Of(hint.About("", errors.New("plain"), "do this")); got != "do this" {
		t.Errorf("without a row: %q", got)
	}
	if err := hint.About(hint.UserNamespaces, nil, "do this"); err != nil {
		t.Errorf("an error out of nothing: %v", err)
	}
}
