// SPDX-License-Identifier: Apache-2.0

package container

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

// StopSeconds is how long the container may take to end when it is asked to: what it
// was made with, or Docker's 10. -1 is for ever.
func (l Life) StopSeconds() int {
	if l.StopTimeout != nil {
		return *l.StopTimeout
	}
	return 10
}
