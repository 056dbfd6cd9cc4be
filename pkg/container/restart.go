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
