// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"time"

	"coracle/pkg/cli/flags"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
	"coracle/pkg/overlay"
)

func healthFlags() []cli.Flag {
	return []cli.Flag{
		flags.Text("health-cmd", nil, "Command to run to check health"),
		&cli.DurationFlag{Name: "health-interval", Usage: "Time between running the check (ms|s|m|h) (default 0s)"},
		&cli.IntFlag{Name: "health-retries", Usage: "Consecutive failures needed to report unhealthy"},
		&cli.DurationFlag{Name: "health-start-interval", Usage: "Time between running the check during the start period (ms|s|m|h) (default 0s)"},
		&cli.DurationFlag{Name: "health-start-period", Usage: "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h) (default 0s)"},
		&cli.DurationFlag{Name: "health-timeout", Usage: "Maximum time to allow one check to run (ms|s|m|h) (default 0s)"},
		flags.Bool("no-healthcheck", nil, "Disable any container-specified HEALTHCHECK"),
	}
}

// setHealth joins the flags with the image's health check.
func setHealth(c *cli.Context, r *container.Record, img overlay.Details) error {
	asked, given, err := healthAsked(c)
	if err != nil {
		return err
	}
	if c.Bool("no-healthcheck") {
		if given {
			return cliErrorf("--no-healthcheck conflicts with --health-* options")
		}
		r.Health = &container.HealthCheck{Test: []string{"NONE"}}
		return nil
	}
	var image dockerspec.DockerOCIImage
	if err := json.Unmarshal(img.Config, &image); err != nil {
		return fmt.Errorf("decode configuration of image %.12s: %w", img.ID, err)
	}
	if of := image.Config.Healthcheck; of != nil {
		given = true
		fill(&asked.Interval, of.Interval)
		fill(&asked.Timeout, of.Timeout)
		fill(&asked.StartPeriod, of.StartPeriod)
		fill(&asked.StartInterval, of.StartInterval)
		fill(&asked.Retries, of.Retries)
		if len(asked.Test) == 0 {
			asked.Test = of.Test
		}
	}
	if !given {
		return nil
	}
	asked.Shell = image.Config.Shell
	r.Health = &asked
	return r.Health.Check()
}

// fill sets what is not set.
func fill[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}

// healthAsked reads the flags, and reports whether there are any.
func healthAsked(c *cli.Context) (h container.HealthCheck, given bool, err error) {
	if cmd := c.String("health-cmd"); cmd != "" {
		h.Test, given = []string{"CMD-SHELL", cmd}, true
	}
	for name, to := range map[string]*time.Duration{
		"health-interval": &h.Interval, "health-timeout": &h.Timeout, "health-start-period": &h.StartPeriod, "health-start-interval": &h.StartInterval,
	} {
		if *to = c.Duration(name); *to < 0 {
			return h, false, cliErrorf("--%s cannot be negative", name)
		}
		given = given || *to != 0
	}
	if h.Retries = c.Int("health-retries"); h.Retries < 0 {
		return h, false, cliErrorf("--health-retries cannot be negative")
	}
	return h, given || h.Retries != 0, nil
}
