// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/storage"

	"coracle/pkg/oci"
	"coracle/pkg/oci/spec"
	"coracle/pkg/overlay"
)

// Image is Docker's answer about one image (GET /images/{name}/json):
// [image.InspectResponse] with what was dropped from it in API 1.44 to 1.52.
type Image struct {
	ID            string `json:"Id"`
	RepoTags      []string
	RepoDigests   []string
	Parent        string
	Comment       string
	Created       string `json:",omitempty"`
	DockerVersion string
	Author        string
	Config        *Config
	Architecture  string
	Variant       string `json:",omitempty"`
	Os            string
	OsVersion     string `json:",omitempty"`
	Size          int64
	VirtualSize   int64
	GraphDriver   *storage.DriverData `json:",omitempty"`
	RootFS        image.RootFS
	Metadata      image.Metadata

	// For templates alone, which had them until API 1.44.
	Container       string  `json:"-"`
	ContainerConfig *Config `json:"-"`
}

// InspectImage is the answer about an image.
func InspectImage(d overlay.Details) (*Image, error) {
	c, err := decodeImage(d)
	if err != nil {
		return nil, err
	}
	img := &Image{
		ID: "sha256:" + d.ID, RepoTags: familiar(d.Names), RepoDigests: familiar(d.RepoDigests), Author: c.Author, Config: imageConfig(c.Config),
		Architecture: c.Architecture, Variant: c.Variant, Os: c.OS, OsVersion: c.OSVersion, Size: d.Size, VirtualSize: d.Size,
		GraphDriver: imageLayers(d.LayerDirs), RootFS: image.RootFS{Type: "layers", Layers: []string{}},
	}
	img.ContainerConfig = img.Config
	if c.Created != nil {
		img.Created = Stamp(*c.Created)
	}
	if n := len(c.History); n > 0 {
		img.Comment = c.History[n-1].Comment
	}
	for _, l := range c.RootFS.DiffIDs {
		img.RootFS.Layers = append(img.RootFS.Layers, l.String())
	}
	return img, nil
}

func decodeImage(d overlay.Details) (c dockerspec.DockerOCIImage, err error) {
	if err := json.Unmarshal(d.Config, &c); err != nil {
		return c, fmt.Errorf("decode configuration of image %.12s: %w", d.ID, err)
	}
	return c, nil
}

// imageConfig has all fields of a container's, as it had before API 1.50:
// scripts read .Config.Hostname of images, too.
func imageConfig(c dockerspec.DockerOCIImageConfig) *Config {
	return &Config{ExposedPorts: c.ExposedPorts, Config: moby.Config{
		User: c.User, Env: c.Env, Cmd: c.Cmd, Volumes: c.Volumes, WorkingDir: c.WorkingDir, Entrypoint: c.Entrypoint, Labels: c.Labels,
		StopSignal: c.StopSignal, ArgsEscaped: c.ArgsEscaped, Healthcheck: c.Healthcheck, OnBuild: c.OnBuild, Shell: c.Shell,
	}}
}

// imageLayers has the topmost layer as the upper directory, as overlay2 does.
func imageLayers(dirs []string) *storage.DriverData {
	if len(dirs) == 0 {
		return layers(nil, map[string]string{})
	}
	top := len(dirs) - 1
	return layers(dirs[:top], map[string]string{"UpperDir": dirs[top]})
}

// familiar are names as people write them.
func familiar(names []string) []string {
	all := []string{}
	for _, n := range names {
		all = append(all, oci.Familiar(n))
	}
	return all
}

// ImageSummary is one image of a list (GET /images/json). What it would take
// long to find out is -1.
func ImageSummary(img overlay.Image) image.Summary {
	return image.Summary{
		ID: "sha256:" + img.ID, RepoTags: familiar(img.Names), RepoDigests: familiar(img.RepoDigests), Created: img.Created.Unix(),
		Labels: img.Labels, Size: img.Size, SharedSize: -1, Containers: -1,
	}
}

// History is how an image came to be, the last step first
// (GET /images/{name}/history).
func History(d overlay.Details) ([]image.HistoryResponseItem, error) {
	c, err := decodeImage(d)
	if err != nil {
		return nil, err
	}
	items := make([]image.HistoryResponseItem, len(c.History))
	sizes := d.LayerSizes
	for i, h := range c.History {
		item := image.HistoryResponseItem{ID: "<missing>", CreatedBy: h.CreatedBy, Comment: h.Comment}
		if h.Created != nil {
			item.Created = h.Created.Unix()
		}
		if !h.EmptyLayer && len(sizes) > 0 {
			item.Size, sizes = sizes[0], sizes[1:]
		}
		items[len(items)-1-i] = item
	}
	if len(items) > 0 {
		items[0].ID, items[0].Tags = "sha256:"+d.ID, familiar(d.Names)
	}
	return items, nil
}

// MergeConfig is a configuration with what another has where the first says
// nothing, as commit has it.
func MergeConfig(first, other dockerspec.DockerOCIImageConfig) dockerspec.DockerOCIImageConfig {
	c := first
	c.User, c.WorkingDir, c.StopSignal = cmp.Or(first.User, other.User), cmp.Or(first.WorkingDir, other.WorkingDir), cmp.Or(first.StopSignal, other.StopSignal)
	if len(first.Entrypoint) == 0 {
		c.Entrypoint = other.Entrypoint
		if len(first.Cmd) == 0 {
			c.Cmd, c.ArgsEscaped = other.Cmd, other.ArgsEscaped
		}
	}
	if first.Healthcheck == nil {
		c.Healthcheck = other.Healthcheck
	}
	c.Env = spec.MergeEnv(other.Env, first.Env...)
	c.Labels, c.ExposedPorts, c.Volumes = both(first.Labels, other.Labels), both(first.ExposedPorts, other.ExposedPorts), both(first.Volumes, other.Volumes)
	return c
}

// both is a table with the entries of two, of which the first counts.
func both[V any](first, other map[string]V) map[string]V {
	if len(first) == 0 {
		return other
	}
	all := maps.Clone(first)
	for k, v := range other {
		if _, ok := all[k]; !ok {
			all[k] = v
		}
	}
	return all
}
