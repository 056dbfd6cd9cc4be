// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strconv"

	"coracle/pkg/cli/command"
	"coracle/pkg/events"
)

// event writes down what happened to an object that is not a container.
func event(e *command.Env, kind, action, id, name string) {
	attributes := map[string]string{"name": name}
	if kind == events.Network {
		attributes["type"] = "bridge"
	}
	_ = events.Append(e.Dirs.Root, events.New(kind, action, id, attributes))
}

// pruneEvent writes down that a kind of thing was pruned.
func pruneEvent(e *command.Env, kind string, freed int64) {
	_ = events.Append(e.Dirs.Root, events.New(kind, "prune", "", map[string]string{"reclaimed": strconv.FormatInt(freed, 10)}))
}
