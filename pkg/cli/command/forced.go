// SPDX-License-Identifier: Apache-2.0

package command

import (
	"slices"

	"coracle/pkg/overlay"
)

// InsideForced is inside for a command that has been agreed to: it does not ask
// again.
func InsideForced(e *Env, f func(*overlay.Store) error) error {
	e.Args = append(slices.DeleteFunc(slices.Clone(e.Args), func(a string) bool { return a == "-f" || a == "--force" }), "--force")
	return e.Inside(f)
}
