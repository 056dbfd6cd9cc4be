// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"

	"coracle/pkg/dockerfile"
	"coracle/pkg/oci"
)

// BuildOptions are what the command says of a build.
type BuildOptions struct {
	NoCache, Pull bool
	Args          map[string]string
	// Image finds what another service is built to, for a context "service:NAME".
	Image func(service string) string
}

// Inline is a Dockerfile that is in the Compose file: the text, or nothing.
func Inline(b *types.BuildConfig) string { return b.DockerfileInline }

// Build is the request to build the image of a service; the Dockerfile of a section
// that has its text ([Inline]) is for the caller to give.
func Build(p *types.Project, s types.ServiceConfig, o BuildOptions) (dockerfile.Request, error) {
	b := s.Build
	r := dockerfile.Request{
		ContextDir: b.Context, Target: b.Target, NetworkMode: b.Network, NoCache: b.NoCache || o.NoCache, PullParent: b.Pull || o.Pull,
		BuildArgs: map[string]string{}, Labels: buildLabels(p, s), ShmSize: int64(b.ShmSize), Platform: s.Platform,
	}
	if err := checkBuild(s); err != nil {
		return r, err
	}
	r.Dockerfile = b.Dockerfile
	if r.Dockerfile != "" && !filepath.IsAbs(r.Dockerfile) {
		r.Dockerfile = filepath.Join(b.Context, r.Dockerfile)
	}
	for k, v := range b.Args.Resolve(func(name string) (string, bool) { v, ok := p.Environment[name]; return v, ok }).RemoveEmpty() {
		r.BuildArgs[k] = *v
	}
	maps.Copy(r.BuildArgs, o.Args)
	if len(b.Platforms) > 0 && r.Platform == "" {
		r.Platform = b.Platforms[0]
	}
	r.ExtraHosts = b.ExtraHosts.AsList(":")
	slices.Sort(r.ExtraHosts)
	for _, name := range slices.Sorted(maps.Keys(b.Ulimits)) {
		u := b.Ulimits[name]
		l := units.Ulimit{Name: name, Soft: int64(u.Single), Hard: int64(u.Single)}
		if u.Single == 0 {
			l.Soft, l.Hard = int64(u.Soft), int64(u.Hard)
		}
		r.Ulimits = append(r.Ulimits, l)
	}
	for _, tag := range append([]string{ImageName(p, s)}, b.Tags...) {
		ref, err := oci.ParseRef(tag)
		if err != nil {
			return r, fmt.Errorf("service %q: invalid tag %q: %w", s.Name, tag, err)
		}
		r.Tags = append(r.Tags, ref.Name())
	}
	var err error
	if r.Contexts, err = contexts(b, o); err != nil {
		return r, fmt.Errorf("service %q: %w", s.Name, err)
	}
	r.Secrets, err = buildSecrets(p, s)
	return r, err
}

// buildLabels are the image's: with them docker compose finds what it has built.
func buildLabels(p *types.Project, s types.ServiceConfig) map[string]string {
	return with(s.Build.Labels, map[string]string{LabelProject: p.Name, LabelService: s.Name, LabelVersion: Version})
}

// checkBuild refuses what no build can be given.
func checkBuild(s types.ServiceConfig) error {
	b := s.Build
	var what, why string
	switch {
	case strings.Contains(b.Context, "://") || strings.HasPrefix(b.Context, "git@"):
		what, why = "context", "remote contexts are not supported: clone "+b.Context+" and build the directory"
	case len(b.SSH) > 0:
		what, why = "ssh", "builds reach no agent"
	case len(b.Entitlements) > 0:
		what, why = "entitlements", "no build is let near more than a user is"
	case b.Privileged:
		what, why = "privileged", "no build is let near more than a user is"
	case len(b.Platforms) > 1:
		what, why = "platforms", "an image is for one platform"
	case b.Isolation != "":
		what, why = "isolation", "it is for Windows"
	default:
		return nil
	}
	return fmt.Errorf("service %q: build.%s is not supported: %s", s.Name, what, why)
}

// UnheardBuild are the keys of a build section that have no effect, each as it is
// said.
func UnheardBuild(s types.ServiceConfig) (list []string) {
	if s.Build == nil {
		return nil
	}
	for _, k := range []struct {
		name string
		set  bool
		why  string
	}{
		{"cache_from", len(s.Build.CacheFrom) > 0, "the cache is this machine's"}, {"cache_to", len(s.Build.CacheTo) > 0, "the cache is this machine's"},
		{"provenance", s.Build.Provenance != "" && s.Build.Provenance != "false", "no attestations are made"},
		{"sbom", s.Build.SBOM != "" && s.Build.SBOM != "false", "no attestations are made"},
	} {
		if k.set {
			list = append(list, fmt.Sprintf("service %q: build.%s has no effect: %s", s.Name, k.name, k.why))
		}
	}
	return list
}

// contexts are the named ones: directories, images, and what other services are
// built to.
func contexts(b *types.BuildConfig, o BuildOptions) (map[string]dockerfile.Context, error) {
	all := map[string]dockerfile.Context{}
	for name, v := range b.AdditionalContexts {
		image, isImage := strings.CutPrefix(v, "docker-image://")
		service, isService := strings.CutPrefix(v, types.ServicePrefix)
		switch {
		case isImage:
			all[strings.ToLower(name)] = dockerfile.Context{Image: image}
		case isService:
			all[strings.ToLower(name)] = dockerfile.Context{Image: o.Image(service)}
		case strings.Contains(v, "://"):
			return nil, fmt.Errorf("build.additional_contexts: %s is not supported: give a directory, docker-image:// or service:", v)
		default:
			all[strings.ToLower(name)] = dockerfile.Context{Dir: v}
		}
	}
	return all, nil
}

func buildSecrets(p *types.Project, s types.ServiceConfig) (list []dockerfile.Secret, err error) {
	for _, ref := range s.Build.Secrets {
		f, _, err := fileOf(p, "secret", "/", types.FileReferenceConfig(ref), types.FileObjectConfig(p.Secrets[ref.Source]))
		if err != nil {
			return nil, fmt.Errorf("service %q: %w", s.Name, err)
		}
		secret := dockerfile.Secret{ID: ref.Source, Path: f.Source}
		if ref.Target != "" {
			secret.ID = filepath.Base(ref.Target)
		}
		if f.Source == "" {
			secret.Value = []byte(f.Content)
		}
		list = append(list, secret)
	}
	return list, nil
}

// BuildNeeds are the services that have to be built before this one.
func BuildNeeds(s types.ServiceConfig) (list []string) {
	if s.Build == nil {
		return nil
	}
	for _, v := range s.Build.AdditionalContexts {
		if name, ok := strings.CutPrefix(v, types.ServicePrefix); ok {
			list = append(list, name)
		}
	}
	return list
}
