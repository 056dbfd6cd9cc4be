// SPDX-License-Identifier: Apache-2.0

package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/docker/go-units"
	"golang.org/x/term"

	"coracle/pkg/oci"
)

// Transfer shows a pull or a push, layer by layer, in Docker's words. It is
// safe for concurrent use.
type Transfer struct {
	mu     sync.Mutex
	w      io.Writer
	width  int // of the terminal; 0 without one
	order  []string
	events map[string]oci.Event
}

// NewTransfer shows a transfer on f.
func NewTransfer(f *os.File) *Transfer {
	t := &Transfer{w: f, events: map[string]oci.Event{}}
	if term.IsTerminal(int(f.Fd())) {
		t.width = 80
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			t.width = w
		}
	}
	return t
}

// Event takes the next step in.
func (t *Transfer) Event(e oci.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Layer == "" {
		fmt.Fprintln(t.w, e.Status)
		t.order = nil // what was drawn stays above
		return
	}
	old, known := t.events[e.Layer]
	t.events[e.Layer] = e
	if t.width == 0 {
		// Numbers that change many times are nothing for a log.
		if e.Total == 0 && (!known || old.Status != e.Status) {
			fmt.Fprintf(t.w, "%s: %s\n", e.Layer, e.Status)
		}
		return
	}
	t.draw(e)
}

// draw writes the layer's line over the old one.
func (t *Transfer) draw(e oci.Event) {
	up := 0
	for i, l := range t.order {
		if l == e.Layer {
			up = len(t.order) - i
		}
	}
	if up == 0 {
		t.order = append(t.order, e.Layer)
		fmt.Fprintf(t.w, "%s\n", t.line(e))
		return
	}
	fmt.Fprintf(t.w, "\x1b[%dA\r\x1b[2K%s\x1b[%dB\r", up, t.line(e), up)
}

// The bar has this many cells; it is left out on terminals that are narrow.
const (
	barCells  = 50
	narrowest = 110
)

func (t *Transfer) line(e oci.Event) string {
	s := e.Layer + ": " + e.Status
	if e.Total == 0 {
		return s
	}
	s += " "
	if t.width >= narrowest {
		done := int(barCells * e.Current / max(e.Total, 1))
		done = min(max(done, 0), barCells)
		head := ">"
		if done == barCells {
			head = ""
		}
		s += "[" + strings.Repeat("=", done) + head + strings.Repeat(" ", max(barCells-done-len(head), 0)) + "]  "
	}
	return s + bytes(e.Current) + "/" + bytes(e.Total)
}

func bytes(n int64) string { return units.HumanSizeWithPrecision(float64(n), 4) }
