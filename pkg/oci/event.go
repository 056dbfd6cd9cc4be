// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"io"
	"sync/atomic"
	"time"
)

// Event is a step of a pull or a push.
type Event struct {
	Layer   string // 12 hex digits of the layer's digest; empty for a line of its own
	Status  string // Docker's words: "Downloading", "Pull complete", …
	Current int64  // bytes, with Downloading and Pushing
	Total   int64
}

// Status words of layers.
const (
	StatusPulling     = "Pulling fs layer"
	StatusDownloading = "Downloading"
	StatusDownloaded  = "Download complete"
	StatusPulled      = "Pull complete"
	StatusExists      = "Already exists"
	StatusPreparing   = "Preparing"
	StatusPushing     = "Pushing"
	StatusPushed      = "Pushed"
	StatusThere       = "Layer already exists"
	StatusMounted     = "Mounted from "
)

// eventInterval is the least time between two events of one transfer.
const eventInterval = 100 * time.Millisecond

// progressReader tells of what is read through it.
type progressReader struct {
	io.Reader
	event  Event
	report func(Event)
	next   time.Time
}

func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.event.Current += int64(n)
	if now := time.Now(); now.After(p.next) || err == io.EOF {
		p.next = now.Add(eventInterval)
		p.report(p.event)
	}
	return n, err
}

// limiter lets a number of goroutines pass at a time.
type limiter chan struct{}

func (l limiter) enter() { l <- struct{}{} }
func (l limiter) leave() { <-l }

// counter is a writer that only counts.
type counter struct{ n atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}
