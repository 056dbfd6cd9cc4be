// SPDX-License-Identifier: Apache-2.0

package command

import (
	"coracle/pkg/container"
	"coracle/pkg/volume"
)

// Volumes is the set of volumes.
func Volumes(e *Env) (*volume.Store, error) {
	d, err := e.Open()
	if err != nil {
		return nil, err
	}
	return container.Volumes(d), nil
}
