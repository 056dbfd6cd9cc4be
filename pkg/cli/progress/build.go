// SPDX-License-Identifier: Apache-2.0

package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"coracle/pkg/dockerfile"
)

// Build shows a build in BuildKit's form.
type Build interface {
	Event(dockerfile.Event)
	// Close ends the picture, so that something else can be printed.
	Close()
	// Tail returns the last lines that a step has printed.
	Tail(step int) []string
}

// NewBuild shows a build on f: mode is plain, tty, quiet, or auto, which is tty
// on a terminal.
func NewBuild(f *os.File, mode string) (Build, error) {
	terminal := term.IsTerminal(int(f.Fd()))
	switch mode {
	case "", "auto":
		if terminal {
			return newPicture(f), nil
		}
		return newPlain(f), nil
	case "plain":
		return newPlain(f), nil
	case "tty":
		if !terminal {
			return nil, fmt.Errorf("failed to get console: provided file is not a console")
		}
		return newPicture(f), nil
	case "quiet":
		return newPlain(io.Discard), nil
	case "rawjson":
		return nil, fmt.Errorf("progress mode %q is not supported", mode)
	}
	return nil, fmt.Errorf("invalid progress mode %s", mode)
}

// step is what is known of one step.
type step struct {
	number   int // as it is shown; 0 before it was
	name     string
	started  time.Time
	ended    time.Time
	cached   bool
	canceled bool
	failed   string   // why, or empty
	rest     string   // an unfinished line of output
	tail     []string // the last lines
}

const (
	tailLines = 10
	maxLine   = 64 << 10 // longer ones are printed in parts
)

// lines takes output in and returns the lines that it completes.
func (s *step) lines(data []byte) []string {
	text := s.rest + strings.ReplaceAll(string(data), "\r\n", "\n")
	parts := strings.Split(text, "\n")
	s.rest = parts[len(parts)-1]
	done := parts[:len(parts)-1]
	if len(s.rest) > maxLine {
		done, s.rest = append(done, s.rest), ""
	}
	s.keep(done)
	return done
}

func (s *step) keep(lines []string) {
	s.tail = append(s.tail, lines...)
	s.tail = s.tail[max(0, len(s.tail)-tailLines):]
}

// flush returns the unfinished line, if there is one.
func (s *step) flush() []string {
	if s.rest == "" {
		return nil
	}
	line := []string{s.rest}
	s.rest = ""
	s.keep(line)
	return line
}

func (s *step) took() time.Duration {
	if s.started.IsZero() {
		return 0
	}
	return s.ended.Sub(s.started)
}

// steps keeps the steps of a build; it is the part that both forms share.
type steps struct {
	mu   sync.Mutex
	all  map[int]*step
	list []*step
}

func (s *steps) get(e dockerfile.Event) *step {
	if s.all == nil {
		s.all = map[int]*step{}
	}
	st := s.all[e.Step]
	if st == nil {
		st = &step{name: e.Name}
		s.all[e.Step] = st
		s.list = append(s.list, st)
	}
	switch e.Kind {
	case dockerfile.Started:
		st.started = e.Time
	case dockerfile.Cached:
		st.cached, st.ended = true, e.Time
	case dockerfile.Done, dockerfile.Canceled:
		st.ended, st.canceled = e.Time, e.Kind == dockerfile.Canceled
	case dockerfile.Failed:
		st.failed, st.ended = e.Text, e.Time
	}
	return st
}

// Tail returns the last lines that a step has printed.
func (s *steps) Tail(n int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.all[n]; st != nil {
		return st.tail
	}
	return nil
}

// plain is the form for logs: a line for everything that happens.
type plain struct {
	steps
	w       io.Writer
	last    int // the step that printed last
	numbers int
}

func newPlain(w io.Writer) *plain { return &plain{w: w} }

func (p *plain) Close() {}

func (p *plain) Event(e dockerfile.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.get(e)
	switch e.Kind {
	case dockerfile.Announced:
		return
	case dockerfile.Started:
		p.heading(s)
	case dockerfile.Cached:
		p.heading(s)
		p.line(s, "CACHED")
	case dockerfile.Status:
		p.heading(s)
		p.line(s, e.Text)
	case dockerfile.Output:
		p.output(s, s.lines(e.Data), e.Time)
	case dockerfile.Done:
		p.output(s, s.flush(), e.Time)
		p.heading(s)
		p.line(s, "DONE "+seconds(s.took()))
	case dockerfile.Failed:
		p.output(s, s.flush(), e.Time)
		p.heading(s)
		p.line(s, "ERROR: "+e.Text)
	case dockerfile.Canceled:
		p.output(s, s.flush(), e.Time)
		p.heading(s)
		p.line(s, "CANCELED")
	}
}

func (p *plain) output(s *step, lines []string, now time.Time) {
	for _, l := range lines {
		p.heading(s)
		p.line(s, fmt.Sprintf("%.3f %s", now.Sub(s.started).Seconds(), l))
	}
}

// heading names a step when it begins to print, and again after another has.
func (p *plain) heading(s *step) {
	if s.number != 0 && p.last == s.number {
		return
	}
	if p.last != 0 {
		fmt.Fprintln(p.w)
	}
	if s.number == 0 {
		p.numbers++
		s.number = p.numbers
	}
	p.last = s.number
	p.line(s, s.name)
}

func (p *plain) line(s *step, text string) { fmt.Fprintf(p.w, "#%d %s\n", s.number, text) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
