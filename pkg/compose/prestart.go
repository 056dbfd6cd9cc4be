// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/compose/convert"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
)

// preStart runs the hooks of a service that come before its containers are started, one
// after the other. Where all run already there is nothing to come before.
func (st *starter) preStart(ctx context.Context, s types.ServiceConfig, list []*container.Container) error {
	starts := len(s.PreStart) > 0 && slices.ContainsFunc(list, func(c *container.Container) bool {
		now, err := st.containers().Load(c.ID)
		return err == nil && !now.State.IsRunning()
	})
	if !starts {
		return nil
	}
	// What the image has in new volumes is there before a hook writes to them.
	if list[0].State.StartedAt.IsZero() {
		if err := container.FillVolumes(ctx, st.Dirs, list[0]); err != nil {
			return err
		}
	}
	for i, h := range s.PreStart {
		if err := st.runBefore(ctx, s, i, h, list[0].ID); err != nil {
			return err
		}
	}
	return nil
}

// runBefore runs a hook to its end, in a container of its own: what it does not say is
// the service's, and stands in it since the file was read, but for the volumes, which are
// those of its container beside. One that fails stays, so that its log can be read, until
// the next try.
func (st *starter) runBefore(ctx context.Context, s types.ServiceConfig, i int, h types.PreStartHook, beside string) error {
	fail := func(err error) error { return fmt.Errorf("service %q pre_start[%d]: %w", s.Name, i, err) }
	c, err := st.makeBefore(ctx, s, i, h, beside)
	if err != nil {
		return fail(err)
	}
	st.ofContainer(c.Name, "Starting")
	if err := client.StartAlone(ctx, st.containers(), c, nil, nil); err != nil {
		return fail(err)
	}
	st.ofContainer(c.Name, "Started")
	code := 0
	if c, err = st.containers().Load(c.ID); err == nil {
		code, err = client.Wait(ctx, st.containers(), c)
	}
	switch {
	case ctx.Err() != nil: // whoever starts nothing any more waits for no hook
		return st.removeOne(context.WithoutCancel(ctx), c, Removal{Stop: true, Volumes: true, Timeout: new(int)})
	case err != nil:
		return fail(err)
	case code != 0:
		st.ofContainer(c.Name, "Error")
		return fmt.Errorf("service %q pre_start[%d] exited with code %d (hook container %s retained for inspection)", s.Name, i, code, c.Name)
	}
	st.ofContainer(c.Name, "Exited")
	return st.discard(ctx, c, true)
}

// makeBefore makes the container of a hook in the place of the last one's.
func (st *starter) makeBefore(ctx context.Context, s types.ServiceConfig, i int, h types.PreStartHook, beside string) (*container.Container, error) {
	hook := types.ServiceConfig{Name: s.Name, ContainerSpec: h.ContainerSpec}
	hook.CustomLabels, hook.VolumesFrom = s.CustomLabels, append(slices.Clone(hook.VolumesFrom), types.ContainerPrefix+beside)
	hook, err := convert.Resolve(hook, func(service string) (string, bool) {
		if list := st.has.Services[service]; len(list) > 0 {
			return list[0].ID, true
		}
		return "", false
	})
	if err != nil {
		return nil, err
	}
	alone := *st.p
	alone.Services, alone.DisabledServices = types.Services{s.Name: hook}, nil
	facts, err := st.Images(ctx, &alone, ImageChoices{})
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%s-%s-pre_start-%d", st.p.Name, s.Name, i)
	if old, err := st.containers().Lookup(name); err == nil && old.Name == name && old.Labels[convert.LabelProject] == st.p.Name && old.Labels[convert.LabelOneoff] == "True" {
		if err := st.removeOne(ctx, old, Removal{Stop: true, Volumes: true, Timeout: new(int)}); err != nil {
			return nil, err
		}
	}
	return st.makeOne(ctx, st.p, hook, convert.Options{
		Number: 1, Name: name, ImageID: facts[s.Name].ID, Labels: map[string]string{convert.LabelOneoff: "True"}, NoAliases: true, ReadFile: os.ReadFile,
	}, name)
}
