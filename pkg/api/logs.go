// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"runtime"
	"time"

	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/container/logfile"
	"coracle/pkg/docker"
)

func logEndpoints() []endpoint {
	return []endpoint{
		{"GET", "/containers/{name}/logs", streamLogs, ""},
		{"GET", "/containers/{name}/stats", streamStats, ""},
	}
}

func streamLogs(c *call) error {
	stdout, stderr := c.flag("stdout"), c.flag("stderr")
	if !stdout && !stderr {
		return invalid("Bad parameters: you must choose at least one stream")
	}
	cs, ctr, err := c.container()
	if err != nil {
		return err
	}
	if err := docker.ReadableLog(ctr); err != nil {
		return err
	}
	o := logfile.Options{Tail: logfile.ParseTail(c.text("tail")), Follow: c.flag("follow")}
	if o.Since, err = docker.ParseMoment(c.text("since")); err != nil {
		return invalid("invalid value for \"since\": %w", err)
	}
	if o.Until, err = docker.ParseMoment(c.text("until")); err != nil {
		return invalid("invalid value for \"until\": %w", err)
	}
	kind := rawStream
	if !ctr.Process.Tty && !c.before("1.42") {
		kind = multiplexedStream
	}
	stamps, details := c.flag("timestamps"), c.flag("details")
	out, errs := multiplex(c.stream(http.StatusOK, kind), ctr.Process.Tty)
	return client.Logs(c.ctx(), cs, ctr, o, func(e logfile.Entry) error {
		w, wanted := out, stdout
		if e.Stream == "stderr" {
			w, wanted = errs, stderr
		}
		if !wanted {
			return nil
		}
		_, err := w.Write(append([]byte(e.Prefix(stamps, details)), e.Text...))
		return err
	})
}

// statsEvery is how often a stream of statistics says something, and over how long the
// use of CPUs is measured.
const statsEvery = time.Second

func streamStats(c *call) error {
	cs, ctr, err := c.container()
	if err != nil {
		return err
	}
	streaming := c.flagOr("stream", true)
	oneShot := !c.before("1.41") && c.flag("one-shot")
	var before *container.Usage
	now := use(ctr)
	stats := func() docker.StatsResponse {
		s := docker.Stats(ctr, now, before, runtime.NumCPU())
		if c.before("1.52") {
			s.OSType = ""
		}
		return s
	}
	var out *stream
	if streaming {
		out = c.stream(http.StatusOK, "application/json")
	}
	tick := time.NewTicker(statsEvery)
	defer tick.Stop()
	for {
		switch {
		case streaming:
			if err := out.send(stats()); err != nil {
				return err
			}
		case oneShot, now == nil, before != nil:
			return c.answer(http.StatusOK, stats())
		}
		select {
		case <-c.ctx().Done():
			return nil
		case <-tick.C:
		}
		again, err := cs.Load(ctr.ID)
		if err != nil {
			return err // it is gone, and with it the stream
		}
		ctr, before, now = again, now, use(again)
	}
}

// use is what a container uses now, or nil while it does not run.
func use(ctr *container.Container) *container.Usage {
	if u, err := ctr.Usage(); err == nil {
		return &u
	}
	return nil
}
