// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"strconv"
	"strings"

	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/container"
	"coracle/pkg/container/logfile"
)

// setLife takes what happens around the process.
func (d *draft) setLife() (err error) {
	l, h := &d.rec.Life, &d.req.HostConfig
	l.AutoRemove, l.Init = h.AutoRemove, h.Init != nil && *h.Init
	if l.Restart, err = restartOf(h.RestartPolicy); err != nil {
		return err
	}
	if l.AutoRemove && l.Restart.Name != "no" {
		return invalid("can't create 'AutoRemove' container with restart policy")
	}
	l.StopSignal, l.StopTimeout = d.image.StopSignal, d.req.StopTimeout
	if s := d.req.StopSignal; s != "" {
		if _, err := container.ParseSignal(s); err != nil {
			return invalid("%w", err)
		}
		l.StopSignal = s
	}
	return d.setLog()
}

// restartOf takes a restart policy; an empty one is no.
func restartOf(p moby.RestartPolicy) (container.Restart, error) {
	if err := moby.ValidateRestartPolicy(p); err != nil {
		return container.Restart{}, invalid("%w", err)
	}
	if p.Name == "" {
		return container.Restart{Name: "no"}, nil
	}
	return container.Restart{Name: string(p.Name), Max: p.MaximumRetryCount}, nil
}

// ParseRestart reads the text that people write for a restart policy: no, always,
// unless-stopped, or on-failure[:N]. An empty one is no.
func ParseRestart(s string) (moby.RestartPolicy, error) {
	name, count, has := strings.Cut(s, ":")
	p := moby.RestartPolicy{Name: moby.RestartPolicyMode(name)}
	switch {
	case has && name == "":
		return moby.RestartPolicy{}, invalid("invalid restart policy format: no policy provided before colon")
	case name == "":
		p.Name = moby.RestartPolicyDisabled
	}
	if count != "" {
		n, err := strconv.Atoi(count)
		if err != nil {
			return moby.RestartPolicy{}, invalid("invalid restart policy format: maximum retry count must be an integer")
		}
		p.MaximumRetryCount = n
	}
	_, err := restartOf(p)
	return p, err
}

func (d *draft) setLog() error {
	l, asked := &d.rec.Life, d.req.HostConfig.LogConfig
	if l.LogDriver = asked.Type; l.LogDriver == "" {
		l.LogDriver = logfile.JSONFile
	}
	if err := d.w.CheckLog(l.LogDriver, asked.Config); err != nil {
		return invalid("%w", err)
	}
	if asked.Config["compress"] == "true" {
		d.warn("log opt compress has no effect: rotated files are kept as they are")
	}
	if asked.Config["mode"] == "non-blocking" || asked.Config["max-buffer-size"] != "" {
		d.warn("log opts mode and max-buffer-size have no effect: every line is written as it comes")
	}
	if len(asked.Config) > 0 {
		l.LogOpts = asked.Config
	}
	return nil
}

// setHealth joins what is asked for with the image's health check.
func (d *draft) setHealth() error {
	asked, of := d.req.Healthcheck, d.image.Healthcheck
	if asked == nil && of == nil {
		if len(d.req.Shell) > 0 {
			d.warn("Shell has no effect: it is for checks of a container's health")
		}
		return nil
	}
	h := container.HealthCheck{}
	if asked != nil {
		h = container.HealthCheck{
			Test: asked.Test, Interval: asked.Interval, Timeout: asked.Timeout, StartPeriod: asked.StartPeriod, StartInterval: asked.StartInterval, Retries: asked.Retries,
		}
	}
	if len(h.Test) == 1 && h.Test[0] == "NONE" {
		d.rec.Health = &container.HealthCheck{Test: h.Test}
		return nil
	}
	if of != nil {
		fill(&h.Interval, of.Interval)
		fill(&h.Timeout, of.Timeout)
		fill(&h.StartPeriod, of.StartPeriod)
		fill(&h.StartInterval, of.StartInterval)
		fill(&h.Retries, of.Retries)
		if len(h.Test) == 0 {
			h.Test = of.Test
		}
	}
	if h.Shell = d.req.Shell; len(h.Shell) == 0 {
		h.Shell = d.image.Shell
	}
	d.rec.Health = &h
	if err := h.Check(); err != nil {
		return invalid("%w", err)
	}
	return nil
}

// fill sets what is not set.
func fill[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}

// ReadableLog refuses to read what is not kept in files.
func ReadableLog(c *container.Container) error {
	if d := c.Life.LogDriver; d == logfile.None || d == logfile.Journald {
		return refuse(NotSupported, "configured logging driver does not support reading")
	}
	return nil
}
