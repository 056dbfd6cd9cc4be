// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"coracle/pkg/container/create"
	"coracle/pkg/docker"
	"coracle/pkg/image"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// words are a command line; old clients send it as one text, which is one word then.
type words []string

func (w *words) UnmarshalJSON(data []byte) error {
	var list []string
	err := json.Unmarshal(data, &list)
	if err != nil {
		list = make([]string, 1)
		err = json.Unmarshal(data, &list[0])
	}
	*w = list
	return err
}

// createBody is the body of a request for a container.
type createBody struct {
	docker.CreateRequest
	Cmd        words // in the place of those below
	Entrypoint words
}

func createContainer(c *call) error {
	var body createBody
	if err := c.decode(&body); err != nil {
		return err
	}
	q := body.CreateRequest
	q.Cmd, q.Entrypoint = body.Cmd, body.Entrypoint
	q.Name = c.text("name")
	if !c.before("1.41") {
		var err error
		if q.Platform, err = c.specifier(); err != nil {
			return err
		}
	}
	if q.Image == "" {
		return invalid("config cannot be empty in order to create a container")
	}
	warnings, err := c.shape(&q)
	if err != nil {
		return err
	}
	cs, images := c.e.containers(), c.e.images()
	ctr, err := create.Create(c.ctx(), cs, state.NewID(), q, create.Images{
		Resolve: func(ctx context.Context, check func() error) (*state.Lock, overlay.Details, error) {
			return images.Hold(ctx, image.HoldRequest{Name: q.Image, Platform: q.Platform, Pull: image.PullNever, BeforePull: check, Own: create.NeedsOwnLayers(q)}, nil)
		},
		Find: func(ref string) (overlay.Details, error) {
			img, _, err := images.Find(c.ctx(), ref)
			if err != nil {
				return overlay.Details{}, err
			}
			return images.Details(c.ctx(), img.ID)
		},
	}, func(list []docker.Warning) { warnings = append(warnings, texts(list)...) })
	if err == nil {
		err = create.Fill(c.ctx(), cs, ctr)
	}
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, moby.CreateResponse{ID: ctr.ID, Warnings: warnings})
}

// shape makes of a request what it means in the version that the client speaks.
func (c *call) shape(q *docker.CreateRequest) (warnings []string, err error) {
	h, ends := &q.HostConfig, q.NetworkingConfig.EndpointsConfig
	warnings = []string{}
	if p := h.PidsLimit; p != nil && *p == 0 { // Docker's command line sends it where nothing is asked for
		h.PidsLimit = nil
	}
	if c.before("1.25") { // its clients remove containers themselves
		h.AutoRemove = false
	}
	if c.before("1.42") {
		h.ConsoleSize = [2]uint{}
		for i := range h.Mounts {
			m := &h.Mounts[i]
			if m.Type != mount.TypeVolume {
				m.VolumeOptions = nil
			}
			if m.Type != mount.TypeTmpfs {
				m.TmpfsOptions = nil
			}
			if m.BindOptions != nil {
				m.BindOptions.CreateMountpoint = false
			}
		}
	} else {
		h.KernelMemory, h.KernelMemoryTCP = 0, 0
	}
	if c.before("1.43") {
		h.Annotations = nil
	}
	if !c.before("1.44") {
		if q.MacAddress != "" {
			warnings = append(warnings, "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.")
		}
		return warnings, nil
	}
	if q.Healthcheck != nil {
		q.Healthcheck.StartInterval = 0
	}
	if len(ends) > 1 {
		var names []string
		for name := range ends {
			names = append(names, name)
		}
		slices.Sort(names)
		return nil, invalid("Container cannot be created with multiple network endpoints: %s", strings.Join(names, ", "))
	}
	for _, end := range ends {
		if end != nil {
			end.MacAddress = nil
		}
	}
	return warnings, nil
}
