// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
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

// askHealth takes the check of a container's health, nil where no flag is about
// it.
func askHealth(c *cli.Context) (*moby.HealthConfig, error) {
	h, given := &moby.HealthConfig{}, false
	if cmd := c.String("health-cmd"); cmd != "" {
		h.Test, given = []string{"CMD-SHELL", cmd}, true
	}
	for name, to := range map[string]*time.Duration{
		"health-interval": &h.Interval, "health-timeout": &h.Timeout, "health-start-period": &h.StartPeriod, "health-start-interval": &h.StartInterval,
	} {
		if *to = c.Duration(name); *to < 0 {
			return nil, command.Errorf("--%s cannot be negative", name)
		}
		given = given || *to != 0
	}
	if h.Retries = c.Int("health-retries"); h.Retries < 0 {
		return nil, command.Errorf("--health-retries cannot be negative")
	}
	given = given || h.Retries != 0
	switch {
	case c.Bool("no-healthcheck") && given:
		return nil, command.Errorf("--no-healthcheck conflicts with --health-* options")
	case c.Bool("no-healthcheck"):
		return &moby.HealthConfig{Test: []string{"NONE"}}, nil
	case given:
		return h, nil
	}
	return nil, nil
}
