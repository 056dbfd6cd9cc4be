// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"

	"coracle/pkg/hint"
	"coracle/pkg/systemd"
)

// Where systemd says that it runs the host, and which users' managers it keeps
// without a session (sd_booted(3), loginctl(1)).
const (
	systemdRuns = "/run/systemd/system"
	lingerers   = "/var/lib/systemd/linger"
)

// Lingering is the row about what runs for the user without a session of theirs.
func Lingering() Row { return lingering(systemdRuns, lingerers) }

// manager is the user's systemd, asked over the user's bus.
func manager(ctx context.Context) Row {
	r := row(hint.Manager)
	if !systemd.RunsHost() {
		return r.present("not needed: no systemd")
	}
	conn, err := systemd.UserBus(ctx)
	if err != nil {
		return r.partly(err.Error())
	}
	conn.Close()
	return r.present("answers")
}
