// SPDX-License-Identifier: Apache-2.0

package doctor

// Where systemd says that it runs the host, and which users' managers it keeps
// without a session (sd_booted(3), loginctl(1)).
const (
	systemdRuns = "/run/systemd/system"
	lingerers   = "/var/lib/systemd/linger"
)

// Lingering is the row about what runs for the user without a session of theirs.
func Lingering() Row { return lingering(systemdRuns, lingerers) }
