// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/compose/convert"
	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/trash"
)

// job is a plan that is being carried out.
type job struct {
	*Engine
	p *types.Project
	c Choices

	mu    sync.Mutex
	first map[string]*container.Container // of each service, for who shares something of it
}

// Carry carries out a plan: each step when those before it are done. After a step
// that fails no other begins.
func (e *Engine) Carry(ctx context.Context, p *types.Project, has Observed, c Choices, plan Plan) error {
	j := &job{Engine: e, p: p, c: c, first: map[string]*container.Container{}}
	j.foreign(has)
	for name, list := range has.Services {
		if len(list) > 0 {
			j.first[name] = list[0]
		}
	}
	for _, c := range plan.Kept {
		if c.State.IsRunning() {
			e.ofContainer(c.Name, "Running")
		}
	}
	err := j.carry(ctx, plan)
	if slices.ContainsFunc(plan.Steps, func(s Step) bool { return s.Do == Remove || s.Do == Recreate }) {
		_ = trash.Empty(context.WithoutCancel(ctx), e.Dirs)
	}
	return err
}

func (j *job) carry(ctx context.Context, plan Plan) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make([]chan struct{}, len(plan.Steps))
	for i := range done {
		done[i] = make(chan struct{})
	}
	turn := gate()
	var all sync.WaitGroup
	for i, s := range plan.Steps {
		all.Go(func() {
			defer close(done[i])
			for _, before := range s.After {
				<-done[before]
			}
			turn <- struct{}{}
			defer func() { <-turn }()
			if ctx.Err() != nil {
				return
			}
			if err := j.step(ctx, s); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (j *job) step(ctx context.Context, s Step) error {
	switch s.Do {
	case MakeNetwork:
		return j.makeNetwork(ctx, s)
	case RemoveNetwork:
		return j.removeNetwork(ctx, s.Name)
	case MakeVolume:
		return j.makeVolume(ctx, s)
	case Stop:
		return j.stopOne(ctx, s.Old, j.c.Timeout, j.p)
	case Remove:
		return j.removeOne(ctx, s.Old, Removal{Stop: true, Timeout: j.c.Timeout, Project: j.p})
	case Create:
		j.ofContainer(s.Name, "Creating")
		c, err := j.make(ctx, s, s.Name)
		if err != nil {
			return err
		}
		j.ofContainer(s.Name, "Created")
		j.made(s, c)
		return nil
	default:
		return j.recreate(ctx, s)
	}
}

// recreate makes the new container under another name before the old one ends: what
// cannot be made leaves the old one as it is.
func (j *job) recreate(ctx context.Context, s Step) error {
	cs := j.containers()
	if other, err := cs.Lookup(s.Name); err == nil && other.Name == s.Name && other.ID != s.Old.ID {
		return &container.NameTakenError{Name: s.Name, ID: other.ID} // before the old one goes
	}
	j.ofContainer(s.Old.Name, "Recreate")
	c, err := j.make(ctx, s, s.Old.ID[:12]+"_"+s.Name)
	if err != nil {
		return err
	}
	err = j.stopQuietly(ctx, s.Old, j.c.Timeout, j.p)
	if err == nil {
		err = j.discard(ctx, s.Old, false)
	}
	if err == nil {
		err = cs.Rename(ctx, c, s.Name)
	}
	if err != nil {
		_ = j.discard(context.WithoutCancel(ctx), c, true)
		return err
	}
	if c, err = cs.Load(c.ID); err != nil {
		return err
	}
	j.ofContainer(s.Name, "Recreated")
	j.made(s, c)
	return nil
}

// made is a container that others may share something of.
func (j *job) made(s Step, c *container.Container) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if old := j.first[s.Service]; old == nil || Number(old) >= s.Number {
		j.first[s.Service] = c
	}
}

func (j *job) firstOf(service string) (string, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.first[service]
	if c == nil {
		return "", false
	}
	return c.ID, true
}

func (j *job) makeNetwork(ctx context.Context, s Step) error {
	q, err := convert.Network(j.p, s.Key)
	if err != nil {
		return err
	}
	o, warnings, err := docker.NewNetwork(q)
	if err != nil {
		return fmt.Errorf("failed to create network %s: %w", s.Name, err)
	}
	j.warnAll(warnings)
	j.tell("Network", s.Name, "Creating")
	if _, err := j.networks().Create(ctx, o); err != nil {
		return fmt.Errorf("failed to create network %s: %w", s.Name, err)
	}
	j.tell("Network", s.Name, "Created")
	return nil
}

func (e *Engine) removeNetwork(ctx context.Context, name string) error {
	e.tell("Network", name, "Removing")
	if err := e.networks().Delete(ctx, name); err != nil && !docker.Missing(err) {
		return err
	}
	e.tell("Network", name, "Removed")
	return nil
}

func (j *job) makeVolume(ctx context.Context, s Step) error {
	q, err := convert.Volume(j.p, s.Key)
	if err != nil {
		return err
	}
	if err := docker.CheckVolume(q); err != nil {
		return err
	}
	j.tell("Volume", s.Name, "Creating")
	if _, err := j.volumes().Create(ctx, q.Name, q.Labels, q.DriverOpts); err != nil {
		return err
	}
	j.tell("Volume", s.Name, "Created")
	return nil
}

func (e *Engine) warnAll(list []docker.Warning) {
	for _, w := range list {
		e.warn(w.Text)
	}
}

// foreign warns of networks and volumes with the project's names that are somebody
// else's.
func (j *job) foreign(has Observed) {
	p := j.p
	for _, key := range slices.Sorted(keys(p.Networks)) {
		n := p.Networks[key]
		have, ok := has.Networks[n.Name]
		if !ok || bool(n.External) {
			continue
		}
		switch of, ours := have.Labels[convert.LabelProject]; {
		case !ours:
			j.warn(fmt.Sprintf("a network with name %s exists but was not created by compose.\nSet `external: true` to use an existing network", n.Name))
		case of != p.Name:
			j.warn(fmt.Sprintf("a network with name %s exists but was not created for project %q.\nSet `external: true` to use an existing network", n.Name, p.Name))
		}
	}
	for _, key := range slices.Sorted(keys(p.Volumes)) {
		v := p.Volumes[key]
		have, ok := has.Volumes[v.Name]
		if !ok || bool(v.External) {
			continue
		}
		hash, _ := convert.VolumeHash(v)
		switch of, ours := have.Labels[convert.LabelProject]; {
		case !ours:
			j.warn(fmt.Sprintf("volume %q already exists but was not created by Docker Compose. Use `external: true` to use an existing volume", v.Name))
		case of != p.Name:
			j.warn(fmt.Sprintf("volume %q already exists but was created for project %q (expected %q). Use `external: true` to use an existing volume", v.Name, of, p.Name))
		case have.Labels[convert.LabelHash] != "" && have.Labels[convert.LabelHash] != hash:
			j.warn(fmt.Sprintf("volume %q exists but doesn't match configuration in compose file. It is kept: remove it to have it made anew (its data will be lost)", v.Name))
		}
	}
}
