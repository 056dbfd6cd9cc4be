// SPDX-License-Identifier: Apache-2.0

package docker

import (
	api "github.com/moby/moby/api/types/volume"

	"coracle/pkg/volume"
)

// VolumeDriver is the name of the one driver.
const VolumeDriver = "local"

// Volume is Docker's answer about one volume (GET /volumes/{name}), whose files
// are in dir. The driver of one whose record cannot be read is "damaged".
func Volume(v volume.Volume, dir string) *api.Volume {
	driver := VolumeDriver
	if v.Damaged != nil {
		driver = "damaged"
	}
	return &api.Volume{CreatedAt: Stamp(v.Created), Driver: driver, Labels: v.Labels, Mountpoint: dir, Name: v.Name, Options: v.Options, Scope: localScope}
}
