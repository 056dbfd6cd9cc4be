// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"github.com/moby/moby/api/types/volume"

	"coracle/pkg/container"
)

// VolumeDriver is the name of the one driver.
const VolumeDriver = "local"

// Volume is Docker's answer about one volume (GET /volumes/{name}), whose files
// are in dir.
func Volume(v container.Volume, dir string) *volume.Volume {
	return &volume.Volume{CreatedAt: Stamp(v.Created), Driver: VolumeDriver, Labels: v.Labels, Mountpoint: dir, Name: v.Name, Scope: localScope}
}
