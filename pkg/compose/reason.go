// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/compose/convert"
	"coracle/pkg/container"
)

// reasons are why containers of a service are to be replaced, by their IDs.
func (pl *planner) reasons(s types.ServiceConfig) (map[string]string, error) {
	resolved, err := convert.Resolve(s, func(name string) (string, bool) {
		if list := pl.has.Services[name]; len(list) > 0 {
			return list[0].ID, true
		}
		return "", len(pl.made[name]) > 0 // one that is about to be made
	})
	if err != nil {
		return nil, err
	}
	// Made here to find mistakes before anything is touched.
	q, _, err := convert.Container(pl.p, resolved, convert.Options{
		Number: 1, Image: convert.ImageName(pl.p, s), ImageID: pl.c.Images[s.Name].ID, ReadFile: pl.c.ReadFile,
	})
	if err != nil {
		return nil, err
	}
	policy := pl.c.Dependencies
	if len(pl.c.Services) == 0 || slices.Contains(pl.c.Services, s.Name) {
		policy = pl.c.Recreate
	}
	why := map[string]string{}
	for _, c := range pl.has.Services[s.Name] {
		why[c.ID] = pl.reason(s, c, q.Labels, policy)
	}
	return why, nil
}

func (pl *planner) reason(s types.ServiceConfig, c *container.Container, labels map[string]string, policy When) string {
	files, known := c.Labels[convert.LabelFiles]
	moved := slices.ContainsFunc(convert.Needs(s), func(name string) bool { return pl.moved[name] })
	switch {
	case policy == Never:
		return ""
	case policy == Always:
		return "forced"
	case moved:
		return "what it shares is another container's now"
	case c.Labels[convert.LabelHash] != labels[convert.LabelHash]:
		return "configuration changed"
	case labels[convert.LabelImage] != "" && c.Labels[convert.LabelImage] != labels[convert.LabelImage]:
		return "image changed"
	case known && files != labels[convert.LabelFiles]:
		return "secrets or configs changed"
	}
	for key := range s.Networks {
		if _, anew := pl.nets[key]; anew || s.NetworkMode == "" && c.Net.On(pl.p.Networks[key].Name) < 0 && !predefined(pl.p.Networks[key].Name) {
			return "network changed"
		}
	}
	for _, v := range s.Volumes {
		named, ok := pl.p.Volumes[v.Source]
		if ok && v.Type == types.VolumeTypeVolume && !slices.ContainsFunc(c.Mounts, func(m container.Mount) bool { return m.Name == named.Name }) {
			return "volume changed"
		}
	}
	return ""
}

// Order are the services of a project, each after those that it depends on.
func Order(p *types.Project) (list []string, err error) {
	const working, done = 1, 2
	state := map[string]int{}
	var visit func(name string, way []string) error
	visit = func(name string, way []string) error {
		switch state[name] {
		case done:
			return nil
		case working:
			return fmt.Errorf("dependency cycle detected: %s", strings.Join(append(way, name), " -> "))
		}
		state[name] = working
		for _, dep := range slices.Sorted(keys(p.Services[name].DependsOn)) {
			if _, ok := p.Services[dep]; !ok {
				continue
			}
			if err := visit(dep, append(slices.Clone(way), name)); err != nil {
				return err
			}
		}
		state[name], list = done, append(list, name)
		return nil
	}
	var all []error
	for _, name := range slices.Sorted(keys(p.Services)) {
		all = append(all, visit(name, nil))
	}
	return list, errors.Join(all...)
}
