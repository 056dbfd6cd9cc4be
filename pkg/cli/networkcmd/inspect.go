// SPDX-License-Identifier: Apache-2.0

package networkcmd

import (
	"context"
	"errors"
	"strings"

	"coracle/pkg/cli/command"
	"coracle/pkg/docker"
	"coracle/pkg/network"
)

// Inspect is the answer about the network that arg means, with who is on it.
func Inspect(ctx context.Context, e *command.Env, arg string) (*docker.Network, error) {
	nets, err := command.Networks(e)
	if err != nil {
		return nil, err
	}
	w, err := nets.Lookup(arg)
	var missing *network.NotFoundError
	for _, name := range network.Predefined() {
		if arg == name || errors.As(err, &missing) && arg != "" && strings.HasPrefix(docker.PredefinedID(name), arg) {
			cs, err := e.Containers()
			if err != nil {
				return nil, err
			}
			list, _ := cs.List() // a damaged one does not run
			return docker.PredefinedNetwork(name, network.BridgePlace(), began(e), list), nil
		}
	}
	if err != nil {
		return nil, err
	}
	members, err := nets.Members(ctx, w)
	return docker.InspectNetwork(w, members), err
}
