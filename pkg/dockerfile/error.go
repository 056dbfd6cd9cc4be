// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// stepError says in which step a build failed.
type stepError struct {
	step int
	name string
	err  error
}

func (e *stepError) Error() string { return e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// Error is a failed build. What it says is plain data; its cause is known only
// to the process that built.
type Error struct {
	Step     int    // 0 outside of any step
	StepName string // "[2/3] RUN false"
	Excerpt  string // the lines of the Dockerfile it is about, or empty
	Text     string // why
	Advice   string // what the user can do, or empty
	err      error
}

func newError(err error) *Error {
	e := &Error{Text: withoutCredentials(err.Error()), err: err}
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		e.Advice = h.Hint()
	}
	return e
}

func (e *Error) Error() string { return e.Text }
func (e *Error) Unwrap() error { return e.err }

// Hint is what the user can do.
func (e *Error) Hint() string { return e.Advice }

func withLocation(err error, where []parser.Range) error {
	return parser.WithLocation(err, where)
}

// locate adds what the user needs to find the place.
func (b *builder) locate(err error) error {
	e := newError(err)
	if b.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return e // it is the user's doing, and about no line
	}
	var se *stepError
	if errors.As(err, &se) {
		e.Step, e.StepName = se.step, se.name
	}
	var el *parser.LocationError
	if b.file != nil && errors.As(err, &el) && len(el.Locations) > 0 {
		e.Excerpt = b.file.excerpt(el.Locations[0])
	}
	return e
}

// parseError is a mistake in the Dockerfile, in BuildKit's words: they hold the
// line, which becomes the place.
func parseError(err error) error {
	const words = "dockerfile parse error on line "
	text := err.Error()
	var el *parser.LocationError
	if i := strings.Index(text, words); i >= 0 {
		var line int
		if _, serr := fmt.Sscanf(text[i+len(words):], "%d", &line); serr == nil && !errors.As(err, &el) {
			at := parser.Position{Line: line}
			return withLocation(err, []parser.Range{{Start: at, End: at}})
		}
		return err
	}
	if errors.As(err, &el) && len(el.Locations) > 0 && len(el.Locations[0]) > 0 {
		return fmt.Errorf("%s%d: %w", words, el.Locations[0][0].Start.Line, err)
	}
	return fmt.Errorf("dockerfile parse error: %w", err)
}

const excerptMargin = 2 // lines before and after

// excerpt shows lines of the Dockerfile as BuildKit does.
func (f *file) excerpt(where []parser.Range) string {
	if len(where) == 0 {
		return ""
	}
	lines := bytes.Split(bytes.TrimSuffix(f.source, []byte("\n")), []byte("\n"))
	first, last := where[0].Start.Line, where[len(where)-1].End.Line
	if first < 1 || first > len(lines) {
		return ""
	}
	last = min(max(last, first), len(lines))
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d\n--------------------\n", f.name, first)
	for n := max(first-excerptMargin, 1); n <= min(last+excerptMargin, len(lines)); n++ {
		mark := "   "
		if n >= first && n <= last {
			mark = ">>>"
		}
		fmt.Fprintf(&b, " %3d | %s %s\n", n, mark, lines[n-1])
	}
	b.WriteString("--------------------\n")
	return withoutCredentials(b.String())
}
