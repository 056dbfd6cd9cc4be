// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/compose/convert"
	"coracle/pkg/dockerfile"
	"coracle/pkg/image"
	"coracle/pkg/oci"
)

// ImageChoices are what the command says of images.
type ImageChoices struct {
	Pull     string // always, missing, never: for all services, whatever they say
	Build    bool   // services with a build section are built even if there is an image
	NoBuild  bool   // nothing is built, even what is missing
	Quiet    bool
	Building convert.BuildOptions
}

// Images finds, pulls or builds the images of all services, and returns what a plan
// needs to know of them.
func (e *Engine) Images(ctx context.Context, p *types.Project, c ImageChoices) (map[string]ImageFacts, error) {
	if err := e.pull(ctx, p, c); err != nil {
		return nil, err
	}
	order, err := buildOrder(p)
	if err != nil {
		return nil, err
	}
	for _, name := range order {
		s, _ := serviceOf(p, name)
		if s.Build == nil || c.NoBuild {
			continue
		}
		if _, err := e.find(ctx, convert.ImageName(p, s)); err == nil && !c.Build && s.PullPolicy != types.PullPolicyBuild {
			continue
		}
		if err := e.Build(ctx, p, s, c.Building); err != nil {
			return nil, err
		}
	}
	all := map[string]ImageFacts{}
	for _, name := range slices.Sorted(keys(p.Services)) {
		ref := convert.ImageName(p, p.Services[name])
		facts, err := e.find(ctx, ref)
		if err != nil {
			return nil, err
		}
		all[name] = facts
	}
	return all, nil
}

// find is an image that is here.
func (e *Engine) find(ctx context.Context, ref string) (ImageFacts, error) {
	img, _, err := e.images().Find(ctx, ref)
	if err != nil {
		return ImageFacts{}, err
	}
	facts := ImageFacts{ID: "sha256:" + img.ID}
	d, err := e.images().Details(ctx, img.ID)
	if err != nil {
		return facts, err
	}
	config, err := d.OCI()
	for target := range config.Config.Volumes {
		facts.Volumes = append(facts.Volumes, target)
	}
	return facts, err
}

// pull pulls what services or the command want to be pulled, each image once.
func (e *Engine) pull(ctx context.Context, p *types.Project, c ImageChoices) error {
	var wanted []types.ServiceConfig
	seen := map[string]bool{}
	for _, name := range slices.Sorted(keys(p.Services)) {
		s := p.Services[name]
		key := s.Image + " " + s.Platform
		if s.Image == "" || seen[key] {
			continue
		}
		pull, err := e.isToPull(ctx, s, c)
		if err != nil {
			return err
		}
		if pull {
			wanted, seen[key] = append(wanted, s), true
		}
	}
	return each(ctx, wanted, func(ctx context.Context, s types.ServiceConfig) error {
		err := e.Pull(ctx, s, c.Quiet)
		if err != nil && s.Build != nil && ctx.Err() == nil {
			return nil // it is built instead
		}
		return err
	})
}

// isToPull decides about one service.
func (e *Engine) isToPull(ctx context.Context, s types.ServiceConfig, c ImageChoices) (bool, error) {
	if s.PullPolicy == types.PullPolicyRefresh && s.PullRefreshAfter != "" {
		s.PullPolicy = "every_" + s.PullRefreshAfter // the same in other words
	}
	policy, every, err := s.GetPullPolicy()
	if err != nil {
		return false, fmt.Errorf("service %q: %w", s.Name, err)
	}
	if c.Pull != "" && policy != types.PullPolicyBuild {
		policy, every = c.Pull, 0
	}
	if s.Build != nil && (c.Build || policy == types.PullPolicyBuild || policy == types.PullPolicyMissing || policy == types.PullPolicyIfNotPresent) {
		return false, nil // what is missing is built
	}
	img, _, missing := e.images().Find(ctx, s.Image)
	switch policy {
	case types.PullPolicyNever, types.PullPolicyBuild:
		return false, nil
	case types.PullPolicyAlways:
		return true, nil
	case types.PullPolicyRefresh:
		return missing != nil || time.Since(img.Created) > every, nil
	}
	return missing != nil, nil
}

// Pull pulls the image of a service.
func (e *Engine) Pull(ctx context.Context, s types.ServiceConfig, quiet bool) error {
	e.tell("Image", s.Image, "Pulling")
	events := e.Pulled
	if quiet {
		events = nil
	}
	if events == nil {
		events = func(oci.Event) {}
	}
	_, err := e.images().Pull(ctx, image.PullRequest{Name: s.Image, Platform: s.Platform, Access: e.Access}, events)
	if err != nil {
		e.tell("Image", s.Image, "Error")
		return err
	}
	e.tell("Image", s.Image, "Pulled")
	return nil
}

// serviceOf is a service by its name, be it enabled or not: another may be built of it.
func serviceOf(p *types.Project, name string) (types.ServiceConfig, bool) {
	s, ok := p.Services[name]
	if !ok {
		s, ok = p.DisabledServices[name]
	}
	return s, ok
}

// buildOrder are the services, those whose images others are built of first.
func buildOrder(p *types.Project) (list []string, err error) {
	const working, done = 1, 2
	state := map[string]int{}
	var visit func(string) error
	visit = func(name string) error {
		s, ok := serviceOf(p, name)
		switch {
		case !ok, state[name] == done:
			return nil
		case state[name] == working:
			return fmt.Errorf("build cycle detected at service %q", name)
		}
		state[name] = working
		needs := convert.BuildNeeds(s)
		slices.Sort(needs)
		for _, n := range needs {
			if err := visit(n); err != nil {
				return err
			}
		}
		state[name], list = done, append(list, name)
		return nil
	}
	for _, name := range slices.Sorted(keys(p.Services)) {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Build builds the image of a service.
func (e *Engine) Build(ctx context.Context, p *types.Project, s types.ServiceConfig, o convert.BuildOptions) error {
	o.Image = func(service string) string {
		other, _ := serviceOf(p, service)
		return convert.ImageName(p, other)
	}
	for _, text := range convert.UnheardBuild(s) {
		e.warn(text)
	}
	r, err := convert.Build(p, s, o)
	if err != nil {
		return err
	}
	if info, err := os.Stat(r.ContextDir); err != nil || !info.IsDir() {
		return fmt.Errorf("unable to prepare context: path %q not found", r.ContextDir)
	}
	r.Access = e.Access
	if text := convert.Inline(s.Build); text != "" {
		file, err := inline(text)
		if err != nil {
			return err
		}
		defer file.Close()
		r.Source, r.Dockerfile = file, "Dockerfile"
	}
	e.tell("Image", convert.ImageName(p, s), "Building")
	_, err = dockerfile.Build(ctx, e.Dirs, r, func(ev dockerfile.Event) {
		if e.Built != nil {
			e.Built(s.Name, ev)
		}
	})
	if err != nil {
		return &BuildError{Service: s.Name, Err: err}
	}
	e.tell("Image", convert.ImageName(p, s), "Built")
	return nil
}

// BuildError is the failure of the build of a service.
type BuildError struct {
	Service string
	Err     error
}

func (b *BuildError) Error() string { return fmt.Sprintf("service %q: %v", b.Service, b.Err) }
func (b *BuildError) Unwrap() error { return b.Err }

// inline is a text as a file that is read from its beginning.
func inline(text string) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	var once sync.WaitGroup
	once.Go(func() {
		_, _ = strings.NewReader(text).WriteTo(w)
		w.Close()
	})
	return r, nil
}

// PullAll pulls the images of all services that have one.
func (e *Engine) PullAll(ctx context.Context, p *types.Project, c ImageChoices, ignoreFailures bool) error {
	var bad []error
	for _, name := range p.ServiceNames() {
		s := p.Services[name]
		pull, err := e.isToPull(ctx, s, c)
		if err == nil && pull && s.Image != "" {
			err = e.Pull(ctx, s, c.Quiet)
		}
		if err != nil && ignoreFailures && ctx.Err() == nil {
			e.warn(err.Error())
			err = nil
		}
		bad = append(bad, err)
	}
	return errors.Join(bad...)
}

// BuildAll builds the images of all services that have a build section.
func (e *Engine) BuildAll(ctx context.Context, p *types.Project, o convert.BuildOptions) error {
	order, err := buildOrder(p)
	if err != nil {
		return err
	}
	for _, name := range order {
		if s, _ := serviceOf(p, name); s.Build != nil {
			if err := e.Build(ctx, p, s, o); err != nil {
				return err
			}
		}
	}
	return nil
}
