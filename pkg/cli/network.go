// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"coracle/pkg/cli/command"
	"coracle/pkg/network"
)

// networks is the set of networks.
func networks(e *command.Env) (network.Store, error) {
	d, err := e.Open()
	if err != nil {
		return network.Store{}, err
	}
	return network.NewStore(d), nil
}
