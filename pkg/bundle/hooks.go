// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"encoding/json"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/ns"
)

func hookKinds(h *specs.Hooks) map[string][]specs.Hook {
	return map[string][]specs.Hook{
		"prestart": h.Prestart, "createRuntime": h.CreateRuntime, "createContainer": h.CreateContainer,
		"startContainer": h.StartContainer, "poststart": h.Poststart, "poststop": h.Poststop,
	}
}

// beforePivot runs the hooks between the mounts and pivot_root, and returns
// what the hooks inside of the container are told. nil when there are none: the
// first process then does not wait.
func (c *Container) beforePivot(h *specs.Hooks) func(pid int) ([]byte, error) {
	if h == nil || len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer)+len(h.StartContainer) == 0 {
		return nil
	}
	return func(pid int) ([]byte, error) {
		st := specs.State{Version: c.Version, ID: c.ID, Status: specs.StateCreating, Pid: pid, Bundle: c.Bundle, Annotations: c.Annotations}
		told, err := json.Marshal(st)
		if err != nil {
			return nil, err
		}
		if err := ns.RunHooks("prestart", h.Prestart, told); err != nil {
			return nil, err
		}
		if err := ns.RunHooks("createRuntime", h.CreateRuntime, told); err != nil {
			return nil, err
		}
		return told, nil
	}
}

// after runs the hooks of a container that has started or is gone.
func (c *Container) after(kind string, list []specs.Hook, st specs.State) error {
	if len(list) == 0 {
		return nil
	}
	told, err := json.Marshal(st)
	if err != nil {
		return err
	}
	return ns.RunHooks(kind, list, told)
}
