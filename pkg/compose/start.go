// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/compose/load"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
)

// starter starts services in the order of depends_on.
type starter struct {
	*Engine
	p     *types.Project
	has   Observed
	watch *Watch
	on    func(*container.Container) // hears of each container that was started

	done map[string]chan struct{} // closed when the containers of a service are started
}

// Start starts the containers of all services of a project, each service when what
// it depends on is as it says. Those that run already count as started. On, unless
// nil, hears of each container that was started.
func (e *Engine) Start(ctx context.Context, p *types.Project, has Observed, w *Watch, on func(*container.Container)) error {
	st := &starter{Engine: e, p: p, has: has, watch: w, on: on, done: map[string]chan struct{}{}}
	for name := range p.Services {
		st.done[name] = make(chan struct{})
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer e.turn.releaseKept()
	var all sync.WaitGroup
	for name, s := range p.Services {
		release, err := e.turn.hold(ctx, e, p.Name)
		if err != nil {
			cancel(err)
			break
		}
		all.Go(func() {
			if err := st.service(ctx, s, release); err != nil {
				cancel(err)
				return
			}
			close(st.done[name])
		})
	}
	e.turn.releaseKept()
	all.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// service starts one service. Release gives up the turn that it begins with: it has
// none while it waits for a condition.
func (st *starter) service(ctx context.Context, s types.ServiceConfig, release func()) error {
	defer func() { release() }()
	waits := conditional(st.p, s, map[string]bool{})
	if waits {
		release()
	}
	for _, dep := range slices.Sorted(keys(s.DependsOn)) {
		done, ok := st.done[dep]
		if !ok {
			continue // not enabled, or not selected
		}
		select {
		case <-done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := st.await(ctx, s); err != nil {
		return err
	}
	if waits {
		again, err := st.turn.hold(ctx, st.Engine, st.p.Name)
		if err != nil {
			return err
		}
		release = again
	}
	list := st.has.Services[s.Name]
	if len(list) == 0 && s.GetScale() > 0 {
		return fmt.Errorf("service %q has no container to start", s.Name)
	}
	if err := st.preStart(ctx, s, list); err != nil {
		return err
	}
	return each(ctx, list, func(ctx context.Context, c *container.Container) error {
		if c.State.IsRunning() {
			return nil
		}
		return st.start(ctx, c, s)
	})
}

// conditional reports whether a service, or one that it depends on, is started only
// when another is healthy or has ended.
// Those seen are not looked at again.
func conditional(p *types.Project, s types.ServiceConfig, seen map[string]bool) bool {
	for name, d := range s.DependsOn {
		if d.Condition == types.ServiceConditionHealthy || d.Condition == types.ServiceConditionCompletedSuccessfully {
			return true
		}
		if !seen[name] {
			seen[name] = true
			if conditional(p, p.Services[name], seen) {
				return true
			}
		}
	}
	return false
}

func (st *starter) start(ctx context.Context, c *container.Container, s types.ServiceConfig) error {
	c, err := st.containers().Load(c.ID)
	if err != nil {
		return err
	}
	if c.State.IsRunning() { // by another command by now
		return nil
	}
	st.ofContainer(c.Name, "Starting")
	if err := client.StartAlone(ctx, st.containers(), c, nil, nil); err != nil {
		return err
	}
	if st.on != nil {
		st.on(c)
	}
	for _, h := range s.PostStart {
		if err := st.hook(ctx, c, h); err != nil {
			return err
		}
	}
	st.ofContainer(c.Name, "Started")
	return nil
}

// await waits until what a service depends on is as it says.
func (st *starter) await(ctx context.Context, s types.ServiceConfig) error {
	return each(ctx, slices.Sorted(keys(s.DependsOn)), func(ctx context.Context, dep string) error {
		d := s.DependsOn[dep]
		if _, ok := st.p.Services[dep]; !ok {
			return nil
		}
		list, needed := st.has.Services[dep], st.p.Services[dep]
		if len(list) == 0 && needed.GetScale() > 0 {
			if d.Required {
				return fmt.Errorf("%s is missing dependency %s", s.Name, dep)
			}
			st.warn(fmt.Sprintf("%s is missing dependency %s", s.Name, dep))
			return nil
		}
		return st.condition(ctx, dep, d, list)
	})
}

func (st *starter) condition(ctx context.Context, dep string, d types.ServiceDependency, list []*container.Container) error {
	var is func(*container.Container) (bool, error)
	reached := "Healthy"
	switch d.Condition {
	case types.ServiceConditionHealthy:
		is = Healthy(false)
	case types.ServiceConditionCompletedSuccessfully:
		is, reached = completed, "Exited"
	default:
		return nil
	}
	return each(ctx, list, func(ctx context.Context, c *container.Container) error {
		st.ofContainer(c.Name, "Waiting")
		err := st.watch.Await(ctx, c.ID, is)
		switch code := codeOf(err); {
		case err == nil:
			st.ofContainer(c.Name, reached)
			return nil
		case ctx.Err() != nil:
			return err
		case !d.Required:
			st.ofContainer(c.Name, "Skipped")
			st.warn(fmt.Sprintf("optional dependency %q failed to start: %v", dep, err))
			return nil
		case d.Condition == types.ServiceConditionCompletedSuccessfully && code >= 0:
			st.ofContainer(c.Name, "Error")
			return fmt.Errorf("service %q didn't complete successfully: exit %d", dep, code)
		}
		st.ofContainer(c.Name, "Error")
		return fmt.Errorf("dependency failed to start: %w", err)
	})
}

// Restart stops services and starts them again, with those that depend on them where
// they say so unless alone. None named are all.
func Restart(ctx context.Context, e *Engine, p *types.Project, names []string, c RestartChoices) error {
	if !c.Alone {
		names = restartedWith(p, names)
	}
	p, err := load.Select(p, names, true)
	if err != nil {
		return err
	}
	release, err := e.turn.hold(ctx, e, p.Name)
	if err != nil {
		return err
	}
	e.turn.keep(release)
	defer e.turn.releaseKept()
	has, err := e.Observe(p.Name)
	if err != nil {
		return err
	}
	if err := e.Stop(ctx, has.Containers(p.ServiceNames()...), c.Timeout, p); err != nil {
		return err
	}
	if has, err = e.Observe(p.Name); err != nil {
		return err
	}
	return e.Start(ctx, p, has, e.NewWatch(ctx), nil)
}

// RestartChoices are what restart says.
type RestartChoices struct {
	Alone   bool // without those that depend on them
	Timeout *int // seconds; nil: the containers' own
}

// restartedWith are some services, all of them when none is named, and those that
// depend on them and are to be restarted with them.
func restartedWith(p *types.Project, names []string) []string {
	if len(names) == 0 {
		return p.ServiceNames()
	}
	list := slices.Clone(names)
	for i := 0; i < len(list); i++ {
		for _, name := range p.ServiceNames() {
			if d, ok := p.Services[name].DependsOn[list[i]]; ok && d.Restart && !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	return list
}
