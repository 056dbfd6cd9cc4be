// SPDX-License-Identifier: Apache-2.0

package command

import "coracle/pkg/network"

// Networks is the set of networks.
func Networks(e *Env) (network.Store, error) {
	d, err := e.Open()
	if err != nil {
		return network.Store{}, err
	}
	return network.NewStore(d), nil
}
