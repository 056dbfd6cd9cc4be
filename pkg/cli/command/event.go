// SPDX-License-Identifier: Apache-2.0

package command

import (
	"strconv"

	"coracle/pkg/events"
)

// PruneEvent writes down that a kind of thing was pruned.
func PruneEvent(e *Env, kind string, freed int64) {
	_ = events.Append(e.Dirs.Root, events.New(kind, "prune", "", map[string]string{"reclaimed": strconv.FormatInt(freed, 10)}))
}
