// SPDX-License-Identifier: Apache-2.0

package container

import (
	"fmt"

	"coracle/pkg/inroot"
)

// Size is what a container's read-write layer holds: the bytes of its files,
// each counted once however many names it has.
//
// Preconditions: as for Diff.
func (c *Container) Size() (int64, error) {
	sum, err := inroot.Size(c.dir.Upper())
	if err != nil {
		return 0, fmt.Errorf("measure container %s: %w", short(c.ID), err)
	}
	return sum, nil
}
