// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/volume"

	"coracle/pkg/container"
	"coracle/pkg/events"
	store "coracle/pkg/image"
	nets "coracle/pkg/network"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
	vols "coracle/pkg/volume"
)

var (
	containerStates = []string{"created", "restarting", "running", "removing", "paused", "exited", "dead"}
	healthStates    = []string{"starting", "healthy", "unhealthy", "none"}
)

// ContainerFilters are those of a list of containers. Of isolation there is one,
// and tasks are those of a swarm.
func ContainerFilters(list []string) (Filters, error) {
	f, err := parseFilters(list, "id", "name", "label", "exited", "status", "ancestor", "before", "since", "volume", "network", "publish",
		"expose", "health", "isolation", "is-task")
	if err != nil {
		return nil, err
	}
	bad := func(key, v string) (Filters, error) { return nil, invalid("invalid filter '%s=%s'", key, v) }
	for _, v := range f["status"] {
		if !slices.Contains(containerStates, v) {
			return bad("status", v)
		}
	}
	for _, v := range f["health"] {
		if !slices.Contains(healthStates, v) {
			return bad("health", v)
		}
	}
	for _, v := range f["exited"] {
		if _, err := strconv.Atoi(v); err != nil {
			return bad("exited", v)
		}
	}
	for _, key := range []string{"publish", "expose"} {
		for _, v := range f[key] {
			if _, _, _, err := portRange(v); err != nil {
				return bad(key, v)
			}
		}
	}
	_, err = f.Bool("is-task")
	return f, err
}

// portRange reads PORT[-PORT][/PROTO].
func portRange(v string) (low, high uint16, proto string, err error) {
	r, err := network.ParsePortRange(v)
	return r.Start(), r.End(), string(r.Proto()), err
}

// matchPort reports whether a port is in what a filter says.
func matchPort(v string, n uint16, proto string) bool {
	low, high, want, err := portRange(v)
	return err == nil && n >= low && n <= high && proto == want
}

// Span is the time between the things of since and before, of which the zero time
// is no bound.
type Span struct{ Since, Before time.Time }

// Span finds out when the things of before and since were made; of several the
// narrowest bound counts.
func (f Filters) Span(made func(arg string) (time.Time, error)) (s Span, err error) {
	for _, arg := range f["before"] {
		t, err := made(arg)
		if err != nil {
			return s, err
		}
		if s.Before.IsZero() || t.Before(s.Before) {
			s.Before = t
		}
	}
	for _, arg := range f["since"] {
		t, err := made(arg)
		if err != nil {
			return s, err
		}
		if t.After(s.Since) {
			s.Since = t
		}
	}
	return s, nil
}

func (s Span) holds(t time.Time) bool {
	return (s.Before.IsZero() || t.Before(s.Before)) && (s.Since.IsZero() || t.After(s.Since))
}

// ContainerFacts are what the values of filters mean, which only lookups tell.
type ContainerFacts struct {
	Span
	Images  map[string]bool             // IDs of the images that ancestor names
	Network func(value string) []string // names of networks that a value may mean: it may be an ID
}

// MatchContainer reports whether the filters let a container through.
func (f Filters) MatchContainer(c *container.Container, is ContainerFacts) bool {
	tasks, _ := f.Bool("is-task")
	return (tasks == nil || !*tasks) && f.Labels(c.Labels) && f.matchState(c) && f.matchNetworks(c, is) && f.matchPorts(c) &&
		f.Any("id", func(v string) bool { return strings.HasPrefix(c.ID, v) }) &&
		f.Any("name", func(v string) bool { return matchName(v, c.Name) }) &&
		f.Any("volume", func(v string) bool {
			return slices.ContainsFunc(c.Mounts, func(m container.Mount) bool { return m.Name == v || m.Target == v || m.Source == v })
		}) &&
		(len(f["ancestor"]) == 0 || is.Images[c.ImageID]) &&
		is.holds(c.Created)
}

func (f Filters) matchState(c *container.Container) bool {
	return f.Is("status", string(c.State.Status)) && f.Is("health", string(HealthStatus(c.State))) &&
		f.Any("exited", func(v string) bool {
			return c.State.Status == container.Exited && strconv.Itoa(c.State.ExitCode) == v
		})
}

func (f Filters) matchNetworks(c *container.Container, is ContainerFacts) bool {
	have := NetworkNames(c)
	return f.Any("network", func(v string) bool {
		means := []string{v}
		if is.Network != nil {
			means = append(means, is.Network(v)...)
		}
		return slices.ContainsFunc(means, func(name string) bool { return slices.Contains(have, name) })
	})
}

func (f Filters) matchPorts(c *container.Container) bool {
	if len(f["publish"])+len(f["expose"]) == 0 {
		return true
	}
	for _, p := range c.State.Ports {
		if len(f["publish"]) > 0 && f.Any("publish", func(v string) bool { return matchPort(v, p.HostPort, p.Proto) }) ||
			len(f["expose"]) > 0 && f.Any("expose", func(v string) bool { return matchPort(v, p.ContainerPort, p.Proto) }) {
			return true
		}
	}
	return len(f["expose"]) > 0 && slices.ContainsFunc(c.Net.Exposed, func(port string) bool {
		n, _, proto, err := portRange(port)
		return err == nil && f.Any("expose", func(v string) bool { return matchPort(v, n, proto) })
	})
}

// matchName takes the filter for a regular expression, as Docker does, over
// the name with and without its slash.
func matchName(pattern, name string) bool {
	if strings.Contains(name, strings.TrimPrefix(pattern, "/")) {
		return true
	}
	re, err := regexp.Compile(pattern)
	return err == nil && (re.MatchString(name) || re.MatchString("/"+name))
}

// NetworkFilters are those of a list of networks.
func NetworkFilters(list []string) (Filters, error) {
	f, err := parseFilters(list, "name", "id", "label", "driver", "type", "scope", "dangling")
	if err != nil {
		return nil, err
	}
	for _, v := range f["type"] {
		if v != "builtin" && v != "custom" {
			return nil, invalid("invalid filter: 'type'='%s'", v)
		}
	}
	_, err = f.Bool("dangling")
	return f, err
}

// MatchNetwork reports whether the filters let a network through. Those that are
// always there count as used.
func (f Filters) MatchNetwork(n *Network, used bool) bool {
	kind := "custom"
	if slices.Contains(nets.Predefined(), n.Name) {
		kind, used = "builtin", true
	}
	dangling, _ := f.Bool("dangling")
	return f.Labels(n.Labels) && f.Like("name", n.Name) && f.Like("id", n.ID) &&
		f.Is("driver", n.Driver) && f.Is("scope", n.Scope) && f.Is("type", kind) && (dangling == nil || *dangling == !used)
}

// VolumeFilters are those of a list of volumes.
func VolumeFilters(list []string) (Filters, error) {
	f, err := parseFilters(list, "name", "label", "dangling", "driver")
	if err == nil {
		_, err = f.Bool("dangling")
	}
	return f, err
}

// MatchVolume reports whether the filters let a volume through, which containers
// use or not. One that cannot be read has the driver of the others.
func (f Filters) MatchVolume(v *volume.Volume, used bool) bool {
	dangling, _ := f.Bool("dangling")
	return f.Labels(v.Labels) && f.Like("name", v.Name) && f.Is("driver", VolumeDriver) && (dangling == nil || *dangling == !used)
}

// ChooseVolumes are those of a list that the filters let through; users are the
// containers that have one.
func (f Filters) ChooseVolumes(list []vols.Volume, users func(name string) []string) []vols.Volume {
	return slices.DeleteFunc(list, func(v vols.Volume) bool { return !f.MatchVolume(Volume(v, ""), len(users(v.Name)) > 0) })
}

// ChooseVolume reports whether a prune takes a volume that nobody uses: with the
// filter all every one, else those without a name.
func (f Filters) ChooseVolume(v vols.Volume) bool {
	all, err := f.Bool("all")
	return err == nil && (v.Anonymous || all != nil && *all) && f.MatchPrune(v.Labels, v.Created)
}

// ImageFilters are those of a list of images; pattern, unless it is empty, is the
// name that may stand behind it.
func ImageFilters(list []string, pattern string) (Filters, error) {
	f, err := parseFilters(list, "dangling", "label", "label!", "before", "since", "reference", "until")
	if err != nil {
		return nil, err
	}
	if pattern != "" {
		f["reference"] = append(f["reference"], pattern)
	}
	if _, err := f.Bool("dangling"); err != nil {
		return nil, err
	}
	return f, f.checkPrune()
}

// ImageList are the images of a list that the filters let through, with the names
// that they leave; those without any name only if dangling says so, or a filter.
func (f Filters) ImageList(ix *overlay.Index, dangling bool) (list []image.Summary, err error) {
	images, err := f.Images(ix)
	for _, img := range images {
		if s := ImageSummary(img); f.KeepNames(&s) || Dangling(img) && (dangling || len(f["dangling"]) > 0) && len(f["reference"]) == 0 {
			list = append(list, s)
		}
	}
	return list, err
}

// Images are those that the filters let through, names apart.
func (f Filters) Images(ix *overlay.Index) ([]overlay.Image, error) {
	made, err := f.Span(func(arg string) (time.Time, error) {
		img, _, err := oci.Lookup(ix, arg)
		return img.Created, err
	})
	return slices.DeleteFunc(slices.Clone(ix.Images), func(img overlay.Image) bool { return !f.MatchImage(img, made) }), err
}

// ImagePrune is the prune of images that the filters ask for: of those without a
// name, or with the filter dangling=false of all.
func (f Filters) ImagePrune(ix *overlay.Index) (r store.PruneRequest, err error) {
	dangling, err := f.Bool("dangling")
	r.All = dangling != nil && !*dangling
	for _, img := range ix.Images {
		if f.MatchPrune(img.Labels, img.Created) {
			r.IDs = append(r.IDs, img.ID)
		}
	}
	return r, err
}

// Dangling reports whether an image has no name at all.
func Dangling(img overlay.Image) bool { return len(img.Names) == 0 && len(img.RepoDigests) == 0 }

// MatchImage reports whether the filters let an image through, names apart
// ([Filters.KeepNames]).
func (f Filters) MatchImage(img overlay.Image, made Span) bool {
	if !made.holds(img.Created) || !f.MatchPrune(img.Labels, img.Created) {
		return false
	}
	switch untagged, _ := f.Bool("dangling"); {
	case untagged == nil:
		return true
	case *untagged:
		return len(img.Names) == 0 // it may have a digest
	}
	return !Dangling(img)
}

// KeepNames leaves the names that the filter for references is about, and
// reports whether there are any.
func (f Filters) KeepNames(s *image.Summary) bool {
	matches := func(repo, tag string) bool {
		return f.Any("reference", func(p string) bool { return matchReference(p, repo, tag) })
	}
	s.RepoTags = slices.DeleteFunc(s.RepoTags, func(name string) bool { return !matches(oci.SplitName(name)) })
	s.RepoDigests = slices.DeleteFunc(s.RepoDigests, func(name string) bool {
		repo, _ := oci.SplitName(name)
		return !matches(repo, "<none>") && !f.Any("reference", func(p string) bool { return matchDigest(p, name) }) &&
			!slices.ContainsFunc(s.RepoTags, func(tag string) bool { r, _ := oci.SplitName(tag); return r == repo })
	})
	return len(s.RepoTags)+len(s.RepoDigests) > 0
}

// matchReference compares a pattern with a repository, or with both parts.
func matchReference(pattern, repo, tag string) bool {
	for _, name := range []string{repo, repo + ":" + tag} {
		if ok, err := path.Match(pattern, name); err == nil && ok {
			return true
		}
	}
	if ref, err := oci.ParseRef(pattern); err == nil && strings.Contains(path.Base(pattern), ":") {
		return ref.Familiar() == repo+":"+tag
	}
	return false
}

// matchDigest compares a pattern with a digest in a repository.
func matchDigest(pattern, name string) bool {
	if ok, err := path.Match(pattern, oci.Familiar(name)); err == nil && ok {
		return true
	}
	ref, err := oci.ParseRef(pattern)
	return err == nil && ref.Digest() != "" && ref.Familiar() == oci.Familiar(name)
}

// EventFilters are those of a stream of events.
func EventFilters(list []string) (Filters, error) {
	return parseFilters(list, "config", "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope",
		"secret", "service", "type", "volume")
}

// MatchEvent reports whether the filters let an event through.
func (f Filters) MatchEvent(ev events.Event) bool {
	a := ev.Actor
	about := func(kind string, names ...string) func(string) bool {
		return func(v string) bool {
			return ev.Type == kind && slices.ContainsFunc(names, func(n string) bool {
				return n != "" && (n == v || n == a.ID && strings.HasPrefix(n, v))
			})
		}
	}
	return f.Is("type", ev.Type) && f.Is("scope", ev.Scope) &&
		f.Any("event", func(v string) bool { return v == ev.Action || strings.HasPrefix(ev.Action, v+":") }) &&
		f.Any("container", func(v string) bool {
			return about(events.Container, a.ID, a.Attributes["name"])(strings.TrimPrefix(v, "/"))
		}) &&
		f.Any("image", func(v string) bool {
			return about(events.Image, a.ID, a.Attributes["name"])(v) ||
				ev.Type == events.Container && (ev.From == v || strings.HasPrefix(ev.From, v+":"))
		}) &&
		f.Any("volume", about(events.Volume, a.ID)) &&
		f.Any("network", about(events.Network, a.ID, a.Attributes["name"])) &&
		// What there is only with a daemon, or in a cluster, has no events.
		!slices.ContainsFunc([]string{"config", "daemon", "node", "plugin", "secret", "service"}, func(k string) bool { return len(f[k]) > 0 }) &&
		f.Labels(a.Attributes)
}
