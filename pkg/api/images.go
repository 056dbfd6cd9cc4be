// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"net/http"
	"strconv"

	moby "github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/registry"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/docker"
	"coracle/pkg/image"
	"coracle/pkg/oci"
	"coracle/pkg/oci/platform"
	registries "coracle/pkg/oci/registry"
	"coracle/pkg/overlay"
)

func imageEndpoints() []endpoint {
	return []endpoint{
		{"GET", "/images/json", listImages, ""},
		{"GET", "/images/search", searchImages, ""},
		{"GET", "/images/get", saveImages, ""},
		{"GET", "/images/{name}/get", saveImages, ""},
		{"GET", "/images/{name}/history", imageHistory, ""},
		{"GET", "/images/{name}/json", inspectImage, ""},
		{"GET", "/distribution/{name}/json", distribution, "1.30"},
		{"POST", "/images/create", createImage, ""},
		{"POST", "/images/load", loadImages, ""},
		{"POST", "/images/prune", pruneImages, "1.25"},
		{"POST", "/images/{name}/push", pushImage, ""},
		{"POST", "/images/{name}/tag", tagImage, ""},
		{"DELETE", "/images/{name}", removeImage, ""},
		{"POST", "/commit", commitContainer, ""},
	}
}

// imageSummary has what was dropped in API 1.44.
type imageSummary struct {
	moby.Summary
	VirtualSize int64 `json:",omitempty"`
}

func listImages(c *call) error {
	f, err := c.filters(func(list []string) (docker.Filters, error) {
		pattern := ""
		if c.before("1.41") {
			pattern = c.text("filter")
		}
		return docker.ImageFilters(list, pattern)
	})
	if err != nil {
		return err
	}
	ix, err := c.e.images().Index(c.ctx())
	if err != nil {
		return err
	}
	list, err := f.ImageList(ix, true)
	if err != nil {
		return err
	}
	if err := c.measureImages(list); err != nil {
		return err
	}
	answer := make([]imageSummary, len(list))
	for i, s := range list {
		answer[i].Summary = s
		if c.before("1.44") {
			answer[i].VirtualSize = s.Size
		}
		if len(s.RepoTags)+len(s.RepoDigests) == 0 && c.before("1.43") {
			answer[i].RepoTags, answer[i].RepoDigests = []string{"<none>:<none>"}, []string{"<none>@<none>"}
		}
	}
	return c.answer(http.StatusOK, answer)
}

// measureImages adds what is asked for of images, or is always told by newer
// versions: what they share, and how many containers use them.
func (c *call) measureImages(list []moby.Summary) error {
	if c.flag("shared-size") {
		u, err := c.e.images().Usage(c.ctx())
		if err != nil {
			return err
		}
		shared := map[string]int64{}
		for _, img := range u.Images {
			shared["sha256:"+img.ID] = img.Shared
		}
		for i := range list {
			list[i].SharedSize = shared[list[i].ID]
		}
	}
	if c.before("1.51") {
		return nil
	}
	containers, err := c.e.containers().Readable()
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Containers = 0
		for _, ctr := range containers {
			if ctr.UsesImage(list[i].ID[len("sha256:"):]) {
				list[i].Containers++
			}
		}
	}
	return nil
}

// platform is the parameter of that name as Docker has it for images that are
// here: JSON since 1.46, of one.
func (c *call) platform() ([]string, error) {
	v := c.text("platform")
	if v == "" {
		return nil, nil
	}
	p, err := decodePlatform(v)
	return []string{p}, err
}

// decodePlatform reads a platform in JSON.
func decodePlatform(text string) (string, error) {
	var p ocispec.Platform
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return "", invalid("invalid platform: %w", err)
	}
	if _, err := platform.Parse(platform.String(p)); err != nil {
		return "", invalid("invalid platform: %w", err)
	}
	return platform.String(p), nil
}

// specifier is the parameter "platform" where it is os[/arch[/variant]].
func (c *call) specifier() (string, error) {
	v := c.text("platform")
	if _, err := oci.ParsePlatform(v); err != nil {
		return "", invalid("%w", err)
	}
	return v, nil
}

func (c *call) imageDetails() (overlay.Details, error) {
	platforms, err := c.platform()
	if err != nil {
		return overlay.Details{}, err
	}
	return c.e.images().Inspect(c.ctx(), c.name, platforms...)
}

func inspectImage(c *call) error {
	if c.flag("manifests") && c.text("platform") != "" {
		return invalid("conflicting options: manifests and platform options cannot both be set")
	}
	d, err := c.imageDetails()
	if err != nil {
		return err
	}
	img, err := docker.InspectImage(d)
	if err != nil {
		return err
	}
	answer := struct {
		*docker.Image
		Config          any            `json:",omitempty"`
		VirtualSize     int64          `json:",omitempty"`
		Container       *string        `json:",omitempty"`
		ContainerConfig *docker.Config `json:",omitempty"`
	}{Image: img, Config: img.Config}
	if !c.before("1.50") {
		if answer.Config, err = bareConfig(img.Config); err != nil {
			return err
		}
	}
	if c.before("1.44") {
		answer.VirtualSize = img.Size
	}
	if c.before("1.45") {
		answer.Container, answer.ContainerConfig = new(string), img.Config
	}
	return c.answer(http.StatusOK, answer)
}

// bareConfig is the configuration of an image since API 1.50: without what only that of a
// container has.
func bareConfig(c *docker.Config) (fields map[string]json.RawMessage, err error) {
	data, err := json.Marshal(c)
	if err == nil {
		err = json.Unmarshal(data, &fields)
	}
	for _, key := range []string{"Hostname", "Domainname", "AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce", "Image"} {
		delete(fields, key)
	}
	if err == nil && fields["OnBuild"] == nil {
		fields["OnBuild"] = json.RawMessage("null")
	}
	return fields, err
}

func imageHistory(c *call) error {
	d, err := c.imageDetails()
	if err != nil {
		return err
	}
	items, err := docker.History(d)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, items)
}

// withTag is a name with the tag, or digest, that stands beside it in a request.
func withTag(name, tag string) string {
	switch {
	case name == "" || tag == "":
		return name
	case len(tag) > 7 && tag[:7] == "sha256:":
		return name + "@" + tag
	}
	return name + ":" + tag
}

func tagImage(c *call) error {
	name := withTag(c.text("repo"), c.text("tag"))
	if err := c.e.images().Tag(c.ctx(), image.TagRequest{Image: c.name, Name: name}); err != nil {
		return err
	}
	return c.done(http.StatusCreated)
}

func removeImage(c *call) error {
	r := image.RemoveRequest{Images: []string{c.name}, Force: c.flag("force")}
	for _, v := range c.form["platforms"] {
		p, err := decodePlatform(v)
		if err != nil {
			return err
		}
		r.Platforms = append(r.Platforms, p)
	}
	var done image.Removed
	err := c.e.images().Remove(c.ctx(), r, func(one image.Removed) { done = one })
	if err == nil {
		err = done.Err()
	}
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, done.Items)
}

func pruneImages(c *call) error {
	f, err := c.filters(func(list []string) (docker.Filters, error) { return docker.PruneFilters(list, "dangling") })
	if err != nil {
		return err
	}
	s := c.e.images()
	ix, err := s.Index(c.ctx())
	if err != nil {
		return err
	}
	r, err := f.ImagePrune(ix)
	if err != nil {
		return err
	}
	done, err := s.Prune(c.ctx(), r)
	if err != nil {
		return err
	}
	for _, failure := range done.Failures {
		c.e.logf("%v", failure)
	}
	return c.answer(http.StatusOK, moby.PruneReport{ImagesDeleted: done.Items, SpaceReclaimed: uint64(done.Freed)})
}

func distribution(c *call) error {
	ref, err := oci.ParseRef(c.name)
	if err != nil {
		return err
	}
	reg, err := registries.New(c.access())
	if err != nil {
		return err
	}
	r, err := oci.Inquire(c.ctx(), reg, ref)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, registry.DistributionInspect{Descriptor: r.Descriptor, Platforms: r.Platforms})
}

func searchImages(c *call) error {
	limit := 0
	if text := c.text("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil {
			return invalid("invalid limit specified: %w", err)
		}
	}
	filters, err := docker.FilterTexts(c.text("filters"))
	if err != nil {
		return err
	}
	r, err := docker.SearchRequest(c.text("term"), limit, filters)
	if err != nil {
		return err
	}
	reg, err := registries.New(c.access())
	if err != nil {
		return err
	}
	found, err := reg.Search(c.ctx(), r)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, found)
}
