// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"coracle/pkg/cli/command"
	"coracle/pkg/slirp"
)

// networks is the set of networks.
func networks(e *command.Env) (slirp.Networks, error) {
	d, err := e.Open()
	if err != nil {
		return slirp.Networks{}, err
	}
	return slirp.NewNetworks(d), nil
}
