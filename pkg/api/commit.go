// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/container/create"
	"coracle/pkg/oci"
)

// commitContainer makes an image of a container. The body may have a configuration,
// which counts before the container's.
func commitContainer(c *call) error {
	var config *dockerspec.DockerOCIImageConfig
	if c.r.ContentLength != 0 {
		if err := c.decode(&config); err != nil {
			return err
		}
	}
	q := create.CommitRequest{
		Name: withTag(c.text("repo"), c.text("tag")), Author: c.text("author"), Comment: c.text("comment"), Changes: c.form["changes"], Config: config,
	}
	if q.Name != "" {
		if _, err := oci.ParseRef(q.Name); err != nil {
			return err
		}
	}
	cs := c.e.containers()
	ctr, err := cs.Lookup(c.text("container"))
	if err != nil {
		return err
	}
	made, err := create.Commit(c.ctx(), cs, c.e.images(), ctr, q)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, moby.CommitResponse{ID: "sha256:" + made.ID})
}
