// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"context"
	"fmt"
	"time"

	"coracle/pkg/container"
)

// checks find out the health of the container, at their intervals.
type checks struct {
	book *ledger
	how  container.HealthCheck // with defaults
	// probe executes a command in the container until ctx ends, and returns its
	// exit code and the beginning of its output.
	probe func(ctx context.Context, args []string) (code int, output string, err error)
}

// run checks until the process that began with ctx has ended.
func (c *checks) run(ctx context.Context) {
	began := time.Now()
	for {
		inStart := time.Since(began) < c.how.StartPeriod
		wait := c.how.Interval
		if inStart && c.health().Status == container.HealthStarting {
			wait = c.how.StartInterval
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if c.book.isPaused() {
			continue
		}
		p := c.one(ctx)
		before := c.health()
		after := before.After(p, c.how.Retries, time.Since(began) < c.how.StartPeriod)
		if !c.found(ctx, after) {
			return
		}
		if after.Status != before.Status {
			c.book.event("health_status: "+after.Status, nil)
		}
	}
}

// found records the health, unless the process has ended: what was killed with the
// container says nothing about its health.
func (c *checks) found(ctx context.Context, h container.Health) bool {
	if ctx.Err() != nil {
		return false
	}
	alive := true
	c.book.record(func(st *container.State) {
		if alive = ctx.Err() == nil; alive {
			st.Health = &h
		}
	})
	return alive
}

func (c *checks) health() container.Health {
	if h := c.book.now().Health; h != nil {
		return *h
	}
	return container.Health{Status: container.HealthStarting}
}

// one runs one check.
func (c *checks) one(ctx context.Context) container.Probe {
	p := container.Probe{Start: time.Now().UTC(), ExitCode: -1}
	ctx, cancel := context.WithTimeout(ctx, c.how.Timeout)
	defer cancel()
	code, output, err := c.probe(ctx, c.how.Command())
	p.End, p.Output = time.Now().UTC(), output
	switch {
	case ctx.Err() != nil:
		p.Output = fmt.Sprintf("Health check exceeded timeout (%v)", c.how.Timeout)
		if output != "" {
			p.Output += ": " + output
		}
	case err != nil:
		p.Output = err.Error()
	default:
		p.ExitCode = code
	}
	return p
}
