// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/docker/go-units"

	"coracle/pkg/oci"
)

// message is a line of a stream that tells of a pull, a push, a load or a build:
// [jsonstream.Message] with two texts that old clients read.
type message struct {
	Stream      string       `json:"stream,omitempty"`
	Status      string       `json:"status,omitempty"`
	Detail      *transferred `json:"progressDetail,omitempty"`
	Bar         string       `json:"progress,omitempty"`
	ID          string       `json:"id,omitempty"`
	ErrorDetail *failed      `json:"errorDetail,omitempty"`
	Error       string       `json:"error,omitempty"`
	Aux         any          `json:"aux,omitempty"`
}

// transferred is how far a layer is; both 0 where there is nothing to count.
type transferred struct {
	Current int64 `json:"current,omitempty"`
	Total   int64 `json:"total,omitempty"`
}

type failed struct {
	Code    int    `json:"code,omitempty"`
	Message string `json:"message"`
}

// progress is an answer that tells how something gets on. It begins with the first
// message: what fails before has a status of HTTP of its own. It is safe for
// concurrent use.
type progress struct {
	c   *call
	mu  sync.Mutex
	out *stream
}

// say sends a message. One for a client that has left is lost: its context tells.
func (p *progress) say(m message) {
	p.begin()
	_ = p.out.send(m)
}

// begin begins the answer.
func (p *progress) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out == nil {
		p.out = p.c.stream(http.StatusOK, "application/json")
	}
}

// event tells of a transfer.
func (p *progress) event(e oci.Event) {
	if e.Layer == "" {
		m := message{Status: e.Status}
		if tag, from, ok := strings.Cut(e.Status, ": Pulling from "); ok {
			m.ID, m.Status = tag, "Pulling from "+from
		}
		p.say(m)
		return
	}
	m := message{Status: e.Status, Detail: &transferred{}, ID: e.Layer}
	if e.Total > 0 {
		m.Detail, m.Bar = &transferred{e.Current, e.Total}, bar(e.Current, e.Total)
	}
	p.say(m)
}

// bar is Docker's picture of a transfer, 50 cells wide.
func bar(current, total int64) string {
	const cells = 50
	done := int(min(current, total) * cells / total)
	return fmt.Sprintf("[%s>%s] %8v/%v", strings.Repeat("=", done), strings.Repeat(" ", cells-done), units.HumanSize(float64(current)), units.HumanSize(float64(total)))
}

// end is the answer about how it ended: err is told in the stream, if that has
// begun.
func (p *progress) end(err error) error {
	if err == nil || p.out == nil {
		return err
	}
	text := errorText(err)
	p.say(message{ErrorDetail: &failed{Message: text}, Error: text})
	return nil
}
