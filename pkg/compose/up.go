// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"fmt"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/compose/convert"
	"coracle/pkg/container"
)

// UpChoices are what up says, beside what a plan needs.
type UpChoices struct {
	Choices
	Image         ImageChoices
	IgnoreOrphans bool
	Start         bool // Start follows
}

// hear says what of a project has no effect, and refuses what is not done.
func (e *Engine) hear(p *types.Project) error {
	for _, name := range p.ServiceNames() {
		for _, text := range convert.Unheard(p.Services[name]) {
			e.warn(text)
		}
		if err := convert.Check(p.Services[name]); err != nil {
			return err
		}
	}
	if len(p.Jobs) > 0 {
		e.warn("jobs have no effect: services with a profile do the same")
	}
	return nil
}

// Preview is what Create would do, of which it does nothing. What is not here, and
// what would be built, is no image that has changed.
func (e *Engine) Preview(ctx context.Context, p *types.Project, c UpChoices) (Plan, error) {
	if err := e.hear(p); err != nil {
		return Plan{}, err
	}
	c.Choices.Images = map[string]ImageFacts{}
	for name, s := range p.Services {
		if facts, err := e.find(ctx, convert.ImageName(p, s)); err == nil {
			c.Choices.Images[name] = facts
		}
	}
	has, err := e.Observe(p.Name)
	if err != nil {
		return Plan{}, err
	}
	return Decide(p, has, c.Choices)
}

// Create makes what there is to be of a project, and starts nothing. It returns
// what there is of it then. Other commands keep off until it is done, or with c.Start
// until the Start that follows is.
func (e *Engine) Create(ctx context.Context, p *types.Project, c UpChoices) (Observed, error) {
	err := e.hear(p)
	if err != nil {
		return Observed{}, err
	}
	if c.Choices.Images, err = e.Images(ctx, p, c.Image); err != nil {
		return Observed{}, err
	}
	release, err := e.turn.hold(ctx, e, p.Name)
	if err != nil {
		return Observed{}, err
	}
	has, err := reconcile(ctx, e, p, c)
	if err == nil && c.Start {
		e.turn.keep(release)
		return has, nil
	}
	release()
	return has, err
}

// reconcile is Create while nobody else changes the project.
func reconcile(ctx context.Context, e *Engine, p *types.Project, c UpChoices) (Observed, error) {
	has, err := e.Observe(p.Name)
	if err != nil {
		return has, err
	}
	plan, err := Decide(p, has, c.Choices)
	if err != nil {
		return has, err
	}
	if len(plan.Orphans) > 0 && !c.IgnoreOrphans {
		var names []string
		for _, o := range plan.Orphans {
			names = append(names, o.Name)
		}
		e.warn(fmt.Sprintf("Found orphan containers ([%s]) for this project. If you removed or renamed this service in your compose file, you can run this command with the --remove-orphans flag to clean it up.", strings.Join(names, " ")))
	}
	if err := e.Carry(ctx, p, has, c.Choices, plan); err != nil {
		return has, err
	}
	return e.Observe(p.Name)
}

// completes reports whether another service waits for the end of this one.
func completes(p *types.Project, service string) bool {
	for _, other := range p.Services {
		if d, ok := other.DependsOn[service]; ok && d.Condition == types.ServiceConditionCompletedSuccessfully {
			return true
		}
	}
	return false
}

// AwaitRunning waits until all containers of a project's services are healthy, or
// run where nothing checks that, or have ended well where another waits for that.
func (e *Engine) AwaitRunning(ctx context.Context, p *types.Project, has Observed, w *Watch) error {
	return each(ctx, has.Containers(p.ServiceNames()...), func(ctx context.Context, c *container.Container) error {
		is, reached := Healthy(true), "Healthy"
		if completes(p, ServiceOf(c)) {
			is, reached = completed, "Exited"
		}
		e.ofContainer(c.Name, "Waiting")
		if err := w.Await(ctx, c.ID, is); err != nil {
			e.ofContainer(c.Name, "Error")
			return err
		}
		e.ofContainer(c.Name, reached)
		return nil
	})
}
