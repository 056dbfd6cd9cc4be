// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"cmp"
	"slices"
	"strconv"

	"coracle/pkg/compose/convert"
	"coracle/pkg/container"
	"coracle/pkg/network"
	"coracle/pkg/volume"
)

// Observed is what there is of a project.
type Observed struct {
	Project  string                            // its name
	Services map[string][]*container.Container // by their numbers
	Oneoff   []*container.Container            // of run
	Networks map[string]network.Network        // all there are, by name
	Volumes  map[string]volume.Volume          // all there are, by name
}

// Observe finds what there is of a project, by the labels that it was made with.
func (e *Engine) Observe(project string) (Observed, error) {
	o := Observed{Project: project, Services: map[string][]*container.Container{}, Networks: map[string]network.Network{}, Volumes: map[string]volume.Volume{}}
	list, err := e.containers().Readable()
	if err != nil {
		return o, err
	}
	for _, c := range list {
		switch {
		case c.Labels[convert.LabelProject] != project:
		case c.Labels[convert.LabelOneoff] == "True":
			o.Oneoff = append(o.Oneoff, c)
		case isService(c):
			name := c.Labels[convert.LabelService]
			o.Services[name] = append(o.Services[name], c)
		}
	}
	for _, l := range o.Services {
		slices.SortStableFunc(l, func(a, b *container.Container) int { return cmp.Compare(Number(a), Number(b)) })
	}
	nets, err := e.networks().List()
	if err != nil {
		return o, err
	}
	for _, n := range nets {
		o.Networks[n.Name] = n
	}
	vols, err := e.volumes().List()
	if err != nil {
		return o, err
	}
	for _, v := range vols {
		o.Volumes[v.Name] = v
	}
	return o, nil
}

// isService reports whether a container was made for a service. An image that was built
// for one has labels of its project, too, and gives them to every container that is
// made of it; the hash is of those for services alone.
func isService(c *container.Container) bool {
	return c.Labels[convert.LabelService] != "" && c.Labels[convert.LabelHash] != ""
}

// Number is which one of its service a container is.
func Number(c *container.Container) int {
	n, _ := strconv.Atoi(c.Labels[convert.LabelNumber])
	return n
}

// ServiceOf is the service that a container is of.
func ServiceOf(c *container.Container) string { return c.Labels[convert.LabelService] }

// Containers are those of some services, all of them when none is named, in the
// order of services' names and containers' numbers.
func (o Observed) Containers(services ...string) (list []*container.Container) {
	names := slices.Sorted(keys(o.Services))
	for _, name := range names {
		if len(services) == 0 || slices.Contains(services, name) {
			list = append(list, o.Services[name]...)
		}
	}
	return list
}

func keys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// WithOneoff are those of [Observed.Containers] and, after them, those of run.
func (o Observed) WithOneoff(services ...string) []*container.Container {
	list := o.Containers(services...)
	for _, c := range o.Oneoff {
		if len(services) == 0 || slices.Contains(services, ServiceOf(c)) {
			list = append(list, c)
		}
	}
	return list
}

// VolumesOf are the volumes that were made for the project, by name.
func (o Observed) VolumesOf() (list []volume.Volume) {
	for _, name := range slices.Sorted(keys(o.Volumes)) {
		if v := o.Volumes[name]; v.Labels[convert.LabelProject] == o.Project {
			list = append(list, v)
		}
	}
	return list
}
