// SPDX-License-Identifier: Apache-2.0

package container

import (
	"fmt"
)

// Neighbour is a running container that another one joins in a namespace.
type Neighbour struct {
	Kind string // NeighbourNetwork, NeighbourPID or NeighbourIPC
	ID   string
}

// The kinds of neighbours, as errors have them.
const (
	NeighbourNetwork = "network"
	NeighbourPID     = "PID"
	NeighbourIPC     = "IPC"
)

// Neighbours are the containers that have to run before this one can be started.
func (r *Record) Neighbours() (list []Neighbour) {
	for _, n := range []Neighbour{{NeighbourNetwork, r.Net.OnNetworkOf()}, {NeighbourPID, r.Safety.PIDOf}, {NeighbourIPC, r.Safety.IPCOf}} {
		if n.ID != "" {
			list = append(list, n)
		}
	}
	return list
}

// Check refuses a container that cannot be joined, in Docker's words.
func (n Neighbour) Check(other *Container) error {
	f := other.Safety
	switch {
	case !other.State.IsRunning():
		return n.NotRunning()
	case n.Kind != NeighbourNetwork && other.State.Status == Restarting:
		return n.Refuse(fmt.Errorf("Container %s is restarting, wait until the container is running", n.ID))
	case n.Kind == NeighbourIPC && !f.ShareableIPC && !f.HostIPC && f.IPCOf == "":
		return n.Refuse(fmt.Errorf("container %s: non-shareable IPC (hint: use IpcMode:shareable for the donor container)", n.ID))
	}
	return nil
}

// NotRunning is the error about a neighbour that does not run.
func (n Neighbour) NotRunning() error {
	if n.Kind == NeighbourNetwork {
		return fmt.Errorf("cannot join network of a non running container: %s", n.ID)
	}
	return n.Refuse(fmt.Errorf("container %s is not running", n.ID))
}

// Refuse puts before an error what was tried.
func (n Neighbour) Refuse(err error) error {
	if n.Kind == NeighbourNetwork {
		return fmt.Errorf("join network: %w", err)
	}
	return fmt.Errorf("failed to join %s namespace: %w", n.Kind, err)
}
