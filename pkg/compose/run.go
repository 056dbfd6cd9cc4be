// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"

	"github.com/compose-spec/compose-go/v2/types"
)

// Prepare makes what a container of run needs: the networks and volumes of the
// project, and the services that its service depends on, which run as it says. Of the
// service itself it makes nothing.
func (e *Engine) Prepare(ctx context.Context, p *types.Project, service string, c UpChoices) (Observed, error) {
	s := p.Services[service]
	others := *p
	others.Services = types.Services{}
	for name, o := range p.Services {
		if name != service {
			others.Services[name] = o
		}
	}
	others.DisabledServices = types.Services{}
	for name, o := range p.DisabledServices {
		others.DisabledServices[name] = o
	}
	others.DisabledServices[service] = s
	c.Services, c.Recreate, c.Dependencies = nil, Never, Never // what runs already is good
	c.Start = true
	has, err := e.Create(ctx, &others, c)
	if err != nil {
		return has, err
	}
	watch := e.NewWatch(ctx)
	if err := e.Start(ctx, &others, has, watch, nil); err != nil {
		return has, err
	}
	st := &starter{Engine: e, p: &others, has: has, watch: watch}
	return has, st.await(ctx, s)
}
