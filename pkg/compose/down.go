// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/compose/convert"
	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/image"
	"coracle/pkg/state"
	"coracle/pkg/trash"
)

// DownChoices are what down says.
type DownChoices struct {
	Services      []string // none: all, with networks
	Volumes       bool
	Images        string // "", local: those that no service names, all
	RemoveOrphans bool
	Timeout       *int
}

// Down stops and removes what there is of a project. P may be nil: then all with its
// name goes.
func (e *Engine) Down(ctx context.Context, name string, p *types.Project, c DownChoices) error {
	release, err := e.turn.hold(ctx, e, name)
	if err != nil {
		return err
	}
	defer release()
	has, err := e.Observe(name)
	if err != nil {
		return err
	}
	var list []*container.Container
	for _, ctr := range append(has.Containers(c.Services...), ofServices(has.Oneoff, c.Services)...) {
		if p == nil || c.RemoveOrphans || known(p, ServiceOf(ctr)) {
			list = append(list, ctr)
		}
	}
	found := len(list) > 0
	if err := e.Remove(ctx, list, Removal{Stop: true, Volumes: c.Volumes, Timeout: c.Timeout, Project: p}); err != nil {
		return err
	}
	var bad []error
	d := &teardown{e, name, p, c, has}
	if len(c.Services) == 0 {
		nets, err := d.networks(ctx)
		bad, found = append(bad, err), found || nets
	}
	if c.Volumes {
		vols, err := d.volumes(ctx)
		bad, found = append(bad, err), found || vols
	}
	if c.Images != "" && p != nil {
		bad = append(bad, d.images(ctx))
	}
	if !found {
		e.warn(fmt.Sprintf("Warning: No resource found to remove for project %q.", name))
	}
	return errors.Join(append(bad, trash.Empty(ctx, e.Dirs))...)
}

// teardown is what of a project goes after its containers.
type teardown struct {
	*Engine
	name string
	p    *types.Project
	c    DownChoices
	has  Observed
}

func known(p *types.Project, service string) bool {
	_, on := p.Services[service]
	_, off := p.DisabledServices[service]
	return on || off
}

func ofServices(list []*container.Container, services []string) []*container.Container {
	return slices.DeleteFunc(slices.Clone(list), func(c *container.Container) bool {
		return len(services) > 0 && !slices.Contains(services, ServiceOf(c))
	})
}

func (d *teardown) networks(ctx context.Context) (found bool, err error) {
	var list []string
	for _, n := range slices.Sorted(keys(d.has.Networks)) {
		if d.has.Networks[n].Labels[convert.LabelProject] == d.name {
			list = append(list, n)
		}
	}
	return len(list) > 0, each(ctx, list, func(ctx context.Context, n string) error {
		err := d.removeNetwork(ctx, n)
		if err != nil && docker.KindOf(err) == docker.Forbidden { // as docker compose: somebody else is on it
			d.tell("Network", n, "Resource is still in use")
			return nil
		}
		return err
	})
}

func (d *teardown) volumes(ctx context.Context) (found bool, err error) {
	var list []string
	for _, v := range slices.Sorted(keys(d.has.Volumes)) {
		if d.has.Volumes[v].Labels[convert.LabelProject] == d.name && (len(d.c.Services) == 0 || d.p != nil && mountedBy(d.p, d.c.Services, v)) {
			list = append(list, v)
		}
	}
	return len(list) > 0, each(ctx, list, func(ctx context.Context, v string) error {
		d.tell("Volume", v, "Removing")
		err := d.Engine.volumes().Remove(ctx, v)
		switch {
		case docker.KindOf(err) == docker.Conflict:
			d.tell("Volume", v, "Resource is still in use")
			return nil
		case err != nil && !errors.Is(err, state.ErrNeedsUserNS) && !docker.Missing(err):
			return err
		}
		d.tell("Volume", v, "Removed")
		return nil
	})
}

// mountedBy reports whether one of some services has the volume of a name.
func mountedBy(p *types.Project, services []string, name string) bool {
	for _, s := range services {
		for _, v := range p.Services[s].Volumes {
			if v.Type == types.VolumeTypeVolume && p.Volumes[v.Source].Name == name {
				return true
			}
		}
	}
	return false
}

func (d *teardown) images(ctx context.Context) error {
	var names []string
	for _, name := range d.p.ServiceNames() {
		s := d.p.Services[name]
		if len(d.c.Services) > 0 && !slices.Contains(d.c.Services, name) || d.c.Images == "local" && s.Image != "" {
			continue
		}
		if ref := convert.ImageName(d.p, s); !slices.Contains(names, ref) {
			names = append(names, ref)
		}
	}
	var bad []error
	for _, ref := range names {
		d.tell("Image", ref, "Removing")
	}
	err := d.Engine.images().Remove(ctx, image.RemoveRequest{Images: names}, func(r image.Removed) {
		switch err := r.Err(); {
		case err != nil && docker.KindOf(err) == docker.Conflict:
			d.tell("Image", r.Image, "Resource is still in use")
		case err != nil && !docker.Missing(err):
			bad = append(bad, err)
		default:
			d.tell("Image", r.Image, "Removed")
		}
	})
	return errors.Join(append(bad, err)...)
}

// Project is a project of which there are containers.
type Project struct {
	Name        string
	Status      map[string]int // how many containers are in each state
	ConfigFiles string
}

// Projects are all of which there are containers that run, or any.
func (e *Engine) Projects(all bool) ([]Project, error) {
	list, err := e.containers().Readable()
	if err != nil {
		return nil, err
	}
	by := map[string]*Project{}
	running := map[string]bool{}
	for _, c := range list {
		name := c.Labels[convert.LabelProject]
		if name == "" || c.Labels[convert.LabelOneoff] == "True" || !isService(c) {
			continue
		}
		p := by[name]
		if p == nil {
			p = &Project{Name: name, Status: map[string]int{}}
			by[name] = p
		}
		p.Status[string(c.State.Status)]++
		running[name] = running[name] || c.State.IsRunning()
		for f := range strings.SplitSeq(c.Labels[convert.LabelConfigFiles], ",") {
			if f != "" && !slices.Contains(strings.Split(p.ConfigFiles, ","), f) {
				p.ConfigFiles = strings.TrimPrefix(p.ConfigFiles+","+f, ",")
			}
		}
	}
	var projects []Project
	for _, name := range slices.Sorted(keys(by)) {
		if all || running[name] {
			projects = append(projects, *by[name])
		}
	}
	return projects, nil
}
