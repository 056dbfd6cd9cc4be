// SPDX-License-Identifier: Apache-2.0

package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"

	"coracle/pkg/dockerfile"
)

// picture is the form for terminals: the steps with their times, and the last
// lines of what runs now, drawn anew ten times a second.
type picture struct {
	steps
	f     *os.File
	begun time.Time
	drawn int // lines on the screen
	stop  chan struct{}
	over  chan struct{}
}

func newPicture(f *os.File) *picture {
	p := &picture{f: f, begun: time.Now(), stop: make(chan struct{}), over: make(chan struct{})}
	go p.loop()
	return p
}

func (p *picture) loop() {
	defer close(p.over)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.draw(false)
		case <-p.stop:
			p.draw(true)
			return
		}
	}
}

func (p *picture) Close() {
	close(p.stop)
	<-p.over
}

func (p *picture) Event(e dockerfile.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.get(e)
	switch e.Kind {
	case dockerfile.Output:
		s.lines(e.Data)
	case dockerfile.Status:
		s.keep([]string{e.Text})
	case dockerfile.Done, dockerfile.Failed, dockerfile.Canceled:
		s.flush()
	}
}

// draw writes the picture over the last one.
func (p *picture) draw(final bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	width, height, err := term.GetSize(int(p.f.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	lines := p.lines(final)
	if !final && len(lines) > height-1 { // what has scrolled away cannot be changed
		lines = append(lines[:1:1], lines[len(lines)-height+2:]...)
	}
	var b strings.Builder
	if p.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r\x1b[J", p.drawn)
	}
	for _, l := range lines {
		b.WriteString(fit(l, width) + "\n")
	}
	p.drawn = len(lines)
	_, _ = io.WriteString(p.f, b.String())
}

func (p *picture) lines(final bool) []string {
	done := 0
	for _, s := range p.list {
		if !s.ended.IsZero() {
			done++
		}
	}
	state := ""
	if final && done == len(p.list) {
		state = " FINISHED"
	}
	lines := []string{fmt.Sprintf("[+] Building %s (%d/%d)%s", seconds(time.Since(p.begun)), done, len(p.list), state)}
	for _, s := range p.list {
		if s.started.IsZero() && s.ended.IsZero() {
			continue
		}
		took, word := s.took(), ""
		switch {
		case s.cached:
			word = "CACHED "
		case s.failed != "":
			word = "ERROR "
		case s.canceled:
			word = "CANCELED "
		case s.ended.IsZero():
			took = time.Since(s.started)
		}
		lines = append(lines, fmt.Sprintf(" => %s%s\t%s", word, s.name, seconds(took)))
		if s.ended.IsZero() && !final {
			for _, t := range s.tail[max(0, len(s.tail)-6):] {
				lines = append(lines, " => => "+t)
			}
		}
	}
	return lines
}

// fit cuts a line to the terminal, with what stands behind a tab at its end. A
// longer one would wrap, and the next picture begin in the wrong place.
func fit(l string, width int) string {
	text, right, _ := strings.Cut(l, "\t")
	r := []rune(strings.Map(func(c rune) rune {
		if c == '\n' {
			return ' '
		}
		if !unicode.IsPrint(c) {
			return -1 // what a command prints must not move the cursor
		}
		return c
	}, text))
	room := max(width-1-len(right), 0)
	if right != "" {
		room = max(room-1, 0)
	}
	if cells(r) > room {
		dots := min(3, room)
		for cells(r) > room-dots {
			r = r[:len(r)-1]
		}
		r = append(r, []rune("...")[:dots]...)
	}
	if right == "" {
		return string(r)
	}
	if len(right) > width-1 {
		return ""
	}
	return string(r) + strings.Repeat(" ", width-1-len(right)-cells(r)) + right
}

// cells is how much room text takes: what is beyond the Latin, Greek and
// Cyrillic scripts may be twice as wide.
func cells(r []rune) int {
	n := len(r)
	for _, c := range r {
		if c >= 0x1100 {
			n++
		}
	}
	return n
}
