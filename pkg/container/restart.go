// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// WantedAfterBoot reports whether the restart policy wants the container to run
// when the host has been started: always, and unless-stopped unless somebody
// had stopped it. One that was never started waits for its first start.
func (c *Container) WantedAfterBoot() bool {
	if c.State.IsRunning() || c.State.StartedAt.IsZero() {
		return false
	}
	switch c.Life.Restart.Name {
	case "always":
		return true
	case "unless-stopped":
		return !c.State.Stopped
	}
	return false
}

// ParseRestart reads a restart policy: no, always, unless-stopped, or
// on-failure[:N]. An empty one is no.
func ParseRestart(s string) (Restart, error) {
	name, count, has := strings.Cut(s, ":")
	r := Restart{Name: name}
	switch {
	case has && name == "":
		return Restart{}, errors.New("invalid restart policy format: no policy provided before colon")
	case name == "":
		r.Name = "no"
	}
	if count != "" {
		n, err := strconv.Atoi(count)
		if err != nil {
			return Restart{}, errors.New("invalid restart policy format: maximum retry count must be an integer")
		}
		r.Max = n
	}
	switch r.Name {
	case "no", "always", "unless-stopped":
		if r.Max != 0 {
			msg := "invalid restart policy: maximum retry count can only be used with 'on-failure'"
			if r.Max < 0 {
				msg += " and cannot be negative"
			}
			return Restart{}, errors.New(msg)
		}
	case "on-failure":
		if r.Max < 0 {
			return Restart{}, errors.New("invalid restart policy: maximum retry count cannot be negative")
		}
	default:
		return Restart{}, fmt.Errorf("invalid restart policy: unknown policy '%s'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'", name)
	}
	return r, nil
}
