// SPDX-License-Identifier: Apache-2.0

package create

import (
	"context"
	"fmt"
	"strings"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/dockerfile"
	"coracle/pkg/image"
	"coracle/pkg/oci"
	"coracle/pkg/oci/spec"
)

// CommitRequest asks for an image of a container.
type CommitRequest struct {
	Name    string // as a user types it; or none
	Author  string
	Comment string
	Changes []string // instructions that change the configuration
	// Config, if it is there, counts before the container's: what is in it, and of
	// tables each entry.
	Config *dockerspec.DockerOCIImageConfig
}

// Commit makes an image of what a container has changed.
func Commit(ctx context.Context, cs *container.Store, images *image.Store, ctr *container.Container, q CommitRequest) (image.Committed, error) {
	var none image.Committed
	if q.Name != "" {
		if _, err := oci.ParseRef(q.Name); err != nil {
			return none, err
		}
	}
	if _, err := images.Details(ctx, ctr.ImageID); err != nil {
		return none, fmt.Errorf("the image of container %s is gone: %w", ctr.Name, err)
	}
	r := image.CommitRequest{
		From: ctr.ImageID, Upper: ctr.Dir().Upper(), Work: ctr.Dir().Work(), Stubs: mountedOn(), Name: q.Name, Config: docker.CommitConfig(ctr),
		CreatedBy: strings.Join(ctr.Process.Args(), " "), Author: q.Author, Comment: q.Comment,
	}
	if u := ctr.Safety.Userns; u.Copied {
		r.Lowers, r.Keep = ctr.Rootfs().Lowers, u.Keep
	}
	if q.Config != nil {
		r.Config = docker.MergeConfig(*q.Config, r.Config)
	}
	if err := dockerfile.Change(&r.Config, q.Changes); err != nil {
		return none, docker.Refuse(docker.Invalid, "%w", err)
	}
	made, err := images.Commit(ctx, r)
	if err != nil {
		return none, err
	}
	cs.Event(&ctr.Record, "commit", map[string]string{"comment": r.Comment, "imageID": "sha256:" + made.ID, "imageRef": r.Name})
	return made, nil
}

// mountedOn are the paths in a layer that exist only because something of ours was
// mounted there.
func mountedOn() []string {
	var list []string
	for _, p := range spec.MountPoints() {
		list = append(list, strings.TrimPrefix(p, "/"))
	}
	return append(list, "etc") // the last: it may be empty by then
}
