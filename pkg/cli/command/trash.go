// SPDX-License-Identifier: Apache-2.0

package command

import (
	"coracle/pkg/container"
	"coracle/pkg/ns"
)

// SweepTrash finishes removals inside the user namespace, where files of
// subordinate ids can be deleted.
func SweepTrash(e *Env, cs *container.Store) error {
	if !cs.Dirs().Tmp().NeedsSweep() {
		return nil
	}
	if ns.Inside() {
		return cs.Dirs().Tmp().Sweep()
	}
	return e.Enter(e.Stdout.File, "__sweep")
}

func Sweep(e *Env) error {
	cs, err := e.Containers()
	if err != nil {
		return err
	}
	return cs.Dirs().Tmp().Sweep()
}
