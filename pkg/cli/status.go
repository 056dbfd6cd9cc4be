// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"time"

	"github.com/docker/go-units"

	"coracle/pkg/container"
)

// statusText is the STATUS column.
func statusText(s container.State) string {
	switch s.Status {
	case container.Running, container.Paused:
		up := "Up " + units.HumanDuration(time.Since(s.StartedAt))
		switch {
		case s.Status == container.Paused:
			up += " (Paused)"
		case s.Health == nil:
		case s.Health.Status == container.HealthStarting:
			up += " (health: starting)"
		default:
			up += " (" + s.Health.Status + ")"
		}
		return up
	case container.Restarting:
		return fmt.Sprintf("Restarting (%d) %s", s.ExitCode, ago(s.FinishedAt))
	case container.Exited:
		return fmt.Sprintf("Exited (%d) %s", s.ExitCode, ago(s.FinishedAt))
	case container.Dead:
		return "Dead"
	}
	return "Created"
}

// healthText is the word for the health of a container, none without checks.
func healthText(s container.State) string {
	if s.Health == nil {
		return "none"
	}
	return s.Health.Status
}
