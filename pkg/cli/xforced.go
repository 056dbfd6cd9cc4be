// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"slices"

	"coracle/pkg/cli/command"
	"coracle/pkg/overlay"
)

// insideForced is inside for a command that has been agreed to: it does not ask
// again.
func insideForced(e *command.Env, f func(*overlay.Store) error) error {
	e.Args = append(slices.DeleteFunc(slices.Clone(e.Args), func(a string) bool { return a == "-f" || a == "--force" }), "--force")
	return e.Inside(f)
}
