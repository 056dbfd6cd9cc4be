// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"

	api "github.com/moby/moby/api/types/volume"

	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/volume"
)

func volumeEndpoints() []endpoint {
	return []endpoint{
		{"GET", "/volumes", listVolumes, "1.21"},
		{"POST", "/volumes/create", createVolume, "1.21"},
		{"POST", "/volumes/prune", pruneVolumes, "1.25"},
		{"GET", "/volumes/{name}", inspectVolume, "1.21"},
		{"DELETE", "/volumes/{name}", removeVolume, "1.21"},
	}
}

// volumes is the set of volumes.
func (e *Engine) volumes() *volume.Store { return container.Volumes(e.Dirs) }

func listVolumes(c *call) error {
	f, err := c.filters(docker.VolumeFilters)
	if err != nil {
		return err
	}
	vs := c.e.volumes()
	all, err := vs.List()
	if err != nil {
		return err
	}
	users, err := vs.Users()
	if err != nil {
		return err
	}
	answer := api.ListResponse{Volumes: []api.Volume{}}
	for _, v := range f.ChooseVolumes(all, users) {
		answer.Volumes = append(answer.Volumes, *docker.Volume(v, vs.DataDir(v.Name)))
		if v.Damaged != nil {
			answer.Warnings = append(answer.Warnings, v.Damaged.Error())
		}
	}
	return c.answer(http.StatusOK, answer)
}

func createVolume(c *call) error {
	var q docker.VolumeRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	if err := docker.CheckVolume(q); err != nil {
		return err
	}
	vs := c.e.volumes()
	v, err := vs.Create(c.ctx(), q.Name, q.Labels, q.DriverOpts)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, docker.Volume(v, vs.DataDir(v.Name)))
}

func inspectVolume(c *call) error {
	vs := c.e.volumes()
	v, err := vs.Load(c.name)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, docker.Volume(v, vs.DataDir(v.Name)))
}

func removeVolume(c *call) error {
	if err := c.e.volumes().Delete(c.ctx(), c.name); err != nil && !(docker.Missing(err) && c.flag("force")) {
		return err
	}
	return c.done(http.StatusNoContent)
}

func pruneVolumes(c *call) error {
	f, err := c.filters(docker.VolumePruneFilters)
	if err != nil {
		return err
	}
	if c.before("1.42") { // volumes with names went, too
		f["all"] = []string{"true"}
	}
	done, err := c.e.volumes().Prune(c.ctx(), f.ChooseVolume)
	if err != nil {
		return err
	}
	for _, err := range done.Failed {
		c.e.logf("%v", err)
	}
	return c.answer(http.StatusOK, api.PruneReport{VolumesDeleted: done.Names, SpaceReclaimed: uint64(done.Freed)})
}
