// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"github.com/moby/moby/api/types/volume"

	"coracle/pkg/container"
)

// VolumeDriver is the name of the one driver.
const VolumeDriver = "local"

// Volume is Docker's answer about one volume (GET /volumes/{name}), whose files
// are in dir. The driver of one whose record cannot be read is "damaged".
func Volume(v container.Volume, dir string) *volume.Volume {
	driver := VolumeDriver
	if v.Damaged != nil {
		driver = "damaged"
	}
	return &volume.Volume{CreatedAt: Stamp(v.Created), Driver: driver, Labels: v.Labels, Mountpoint: dir, Name: v.Name, Options: v.Options, Scope: localScope}
}
