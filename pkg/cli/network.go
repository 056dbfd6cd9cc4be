// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"coracle/pkg/slirp"
)

func (e *env) networks() (slirp.Networks, error) {
	d, err := e.open()
	if err != nil {
		return slirp.Networks{}, err
	}
	return slirp.NewNetworks(d), nil
}
