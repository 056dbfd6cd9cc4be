// SPDX-License-Identifier: Apache-2.0

package events

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// The journal's file names.
const (
	fileName = "events.log"
	oldName  = "events.log.1"
)

// maxSize is how large the journal grows before it is begun again.
const maxSize = 4 << 20 // bytes

// The kinds of objects.
const (
	Container = "container"
	Image     = "image"
	Volume    = "volume"
	Network   = "network"
	Builder   = "builder"
)

// Event is something that happened to an object.
type Event struct {
	// Status, ID and From are an older form of the same, for containers and
	// images.
	Status string `json:"status,omitempty"`
	ID     string `json:"id,omitempty"`
	From   string `json:"from,omitempty"`

	Type     string `json:"Type"`
	Action   string `json:"Action"`
	Actor    Actor  `json:"Actor"`
	Scope    string `json:"scope"`
	Time     int64  `json:"time"`     // s
	TimeNano int64  `json:"timeNano"` // ns
}

// Actor is what the event is about.
type Actor struct {
	ID         string            `json:"ID"`
	Attributes map[string]string `json:"Attributes"`
}

// New returns an event of now.
func New(kind, action, id string, attributes map[string]string) Event {
	now := time.Now()
	e := Event{Type: kind, Action: action, Actor: Actor{id, attributes}, Scope: "local", Time: now.Unix(), TimeNano: now.UnixNano()}
	if attributes == nil {
		e.Actor.Attributes = map[string]string{}
	}
	if kind == Container || kind == Image {
		e.Status, e.ID, e.From = action, id, attributes["image"]
	}
	return e
}

// Append writes an event to the journal in dir.
func Append(dir string, e Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("record event: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("record event: %w", err)
	}
	defer root.Close()
	f, err := root.OpenFile(fileName, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("record event: %w", err)
	}
	defer f.Close()
	if _, err := f.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("record event: %w", err)
	}
	if st, err := f.Stat(); err == nil && st.Size() > maxSize {
		// Two that see it at once: the second renames a journal of a few
		// lines, and the old one is lost. It was about to be.
		_ = root.Rename(fileName, oldName)
	}
	return nil
}
