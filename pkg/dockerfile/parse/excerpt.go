// SPDX-License-Identifier: Apache-2.0

package parse

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// placed is a mistake in the Dockerfile, in BuildKit's words: they hold the
// line, which becomes the place.
func placed(err error) error {
	const words = "dockerfile parse error on line "
	text := err.Error()
	var el *parser.LocationError
	if i := strings.Index(text, words); i >= 0 {
		var line int
		if _, serr := fmt.Sscanf(text[i+len(words):], "%d", &line); serr == nil && !errors.As(err, &el) {
			at := parser.Position{Line: line}
			return parser.WithLocation(err, []parser.Range{{Start: at, End: at}})
		}
		return err
	}
	if errors.As(err, &el) && len(el.Locations) > 0 && len(el.Locations[0]) > 0 {
		return fmt.Errorf("%s%d: %w", words, el.Locations[0][0].Start.Line, err)
	}
	return fmt.Errorf("dockerfile parse error: %w", err)
}

const excerptMargin = 2 // lines before and after

// Excerpt shows the lines of the Dockerfile that err is about as BuildKit does,
// or nothing for an error without a place.
func (f *File) Excerpt(err error) string {
	var el *parser.LocationError
	if !errors.As(err, &el) || len(el.Locations) == 0 {
		return ""
	}
	return f.lines(el.Locations[0])
}

func (f *File) lines(where []parser.Range) string {
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
	fmt.Fprintf(&b, "%s:%d\n--------------------\n", f.Name, first)
	for n := max(first-excerptMargin, 1); n <= min(last+excerptMargin, len(lines)); n++ {
		mark := "   "
		if n >= first && n <= last {
			mark = ">>>"
		}
		fmt.Fprintf(&b, " %3d | %s %s\n", n, mark, lines[n-1])
	}
	b.WriteString("--------------------\n")
	return WithoutCredentials(b.String())
}
