// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"time"
)

// HealthCheck says how a container's health is found out. Zero values are
// Docker's defaults.
type HealthCheck struct {
	// Test is NONE alone, CMD and a command, or CMD-SHELL and a line for the
	// image's shell.
	Test          []string      `json:"test,omitempty"`
	Interval      time.Duration `json:"interval,omitempty"`
	Timeout       time.Duration `json:"timeout,omitempty"`
	StartPeriod   time.Duration `json:"startPeriod,omitempty"`   // in which failures do not count
	StartInterval time.Duration `json:"startInterval,omitempty"` // between the checks of that period
	Retries       int           `json:"retries,omitempty"`       // failures in a row that make unhealthy
	Shell         []string      `json:"shell,omitempty"`         // the image's, for CMD-SHELL
}

// Docker's defaults.
const (
	defaultInterval      = 30 * time.Second
	defaultTimeout       = 30 * time.Second
	defaultStartInterval = 5 * time.Second
	defaultRetries       = 3
)

// Enabled reports whether there is something to run.
func (h *HealthCheck) Enabled() bool { return h != nil && len(h.Test) > 1 && h.Test[0] != "NONE" }

// WithDefaults fills in what was not set.
func (h HealthCheck) WithDefaults() HealthCheck {
	for _, d := range []struct {
		to *time.Duration
		is time.Duration
	}{{&h.Interval, defaultInterval}, {&h.Timeout, defaultTimeout}, {&h.StartInterval, defaultStartInterval}} {
		if *d.to == 0 {
			*d.to = d.is
		}
	}
	if h.Retries == 0 {
		h.Retries = defaultRetries
	}
	return h
}

// Command is what to execute in the container.
func (h *HealthCheck) Command() []string {
	if h.Test[0] == "CMD-SHELL" {
		shell := h.Shell
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		return append(append([]string(nil), shell...), h.Test[1:]...)
	}
	return h.Test[1:]
}

// Check reports, in Docker's words, what cannot be meant.
func (h *HealthCheck) Check() error {
	if h == nil {
		return nil
	}
	if len(h.Test) > 0 {
		switch h.Test[0] {
		case "NONE", "CMD", "CMD-SHELL":
		default:
			return fmt.Errorf("unknown type %q in Healthcheck", h.Test[0])
		}
	}
	for _, d := range []struct {
		name string
		is   time.Duration
	}{{"Interval", h.Interval}, {"Timeout", h.Timeout}, {"StartPeriod", h.StartPeriod}, {"StartInterval", h.StartInterval}} {
		if d.is != 0 && d.is < time.Millisecond {
			return fmt.Errorf("%s in Healthcheck cannot be less than 1ms", d.name)
		}
	}
	if h.Retries < 0 {
		return errors.New("Retries in Healthcheck cannot be negative")
	}
	return nil
}

// The words for a container's health.
const (
	HealthStarting  = "starting"
	Healthy         = "healthy"
	Unhealthy       = "unhealthy"
	probesKept      = 5
	ProbeOutputKept = 4096 // bytes of a check's output
)

// Health is what the checks of a running container have found.
type Health struct {
	Status        string  `json:"Status"`
	FailingStreak int     `json:"FailingStreak"`
	Log           []Probe `json:"Log"` // the last five, oldest first
}

// Probe is one check.
type Probe struct {
	Start    time.Time `json:"Start"`
	End      time.Time `json:"End"`
	ExitCode int       `json:"ExitCode"` // -1: it could not be run, or took too long
	Output   string    `json:"Output"`
}

// After returns the health after one more check. inStart says that the start
// period is not over: until the first success, failures do not count in it.
func (h Health) After(p Probe, retries int, inStart bool) Health {
	h.Log = append(append([]Probe(nil), h.Log...), p)
	h.Log = h.Log[max(0, len(h.Log)-probesKept):]
	switch {
	case p.ExitCode == 0:
		h.FailingStreak, h.Status = 0, Healthy
	case inStart && h.Status == HealthStarting:
	default:
		if h.FailingStreak++; h.FailingStreak >= retries {
			h.Status = Unhealthy
		}
	}
	return h
}
