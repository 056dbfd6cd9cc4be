// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/oci"
)

var psStates = []string{"created", "restarting", "running", "removing", "paused", "exited", "dead"}

var healthStates = []string{"starting", "healthy", "unhealthy", "none"}

// psFilters are the keys that ps knows. Of isolation there is one, and tasks are
// those of a swarm.
var psFilters = []string{
	"id", "name", "label", "exited", "status", "ancestor", "before", "since", "volume", "network", "publish", "expose", "health", "isolation", "is-task",
}

// checkPsFilters refuses values that can match nothing.
func checkPsFilters(f filters) error {
	bad := func(key, v string) error { return fmt.Errorf("invalid filter '%s=%s'", key, v) }
	for _, v := range f["status"] {
		if !slices.Contains(psStates, v) {
			return bad("status", v)
		}
	}
	for _, v := range f["health"] {
		if !slices.Contains(healthStates, v) {
			return bad("health", v)
		}
	}
	if _, err := f.boolean("is-task"); err != nil {
		return err
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
	return nil
}

// portRange reads PORT[-PORT][/PROTO].
func portRange(v string) (low, high uint16, proto string, err error) {
	ports, proto, has := strings.Cut(v, "/")
	if !has {
		proto = "tcp"
	}
	first, last, isRange := strings.Cut(ports, "-")
	if !isRange {
		last = first
	}
	a, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return 0, 0, "", err
	}
	b, err := strconv.ParseUint(last, 10, 16)
	if err == nil && b < a {
		err = errors.New("the range ends before it begins")
	}
	return uint16(a), uint16(b), proto, err
}

// matchPort reports whether a port is in what a filter says.
func matchPort(v string, n uint16, proto string) bool {
	low, high, want, err := portRange(v)
	return err == nil && n >= low && n <= high && proto == want
}

// filterContainers applies --filter; without all only running ones are left.
func filterContainers(e *env, list []*container.Container, f filters, all bool) ([]*container.Container, error) {
	if err := checkPsFilters(f); err != nil {
		return nil, err
	}
	images, err := ancestors(e, f["ancestor"])
	if err != nil {
		return nil, err
	}
	var before, since time.Time
	for key, to := range map[string]*time.Time{"before": &before, "since": &since} {
		for _, arg := range f[key] {
			cs, err := e.containers()
			if err != nil {
				return nil, err
			}
			other, err := cs.Lookup(arg)
			if err != nil {
				return nil, err
			}
			*to = other.Created
		}
	}
	if err := networkNames(e, f); err != nil {
		return nil, err
	}
	tasks, _ := f.boolean("is-task")
	keep := func(c *container.Container) bool {
		return (tasks == nil || !*tasks) && (all || c.State.IsRunning()) && f.labels(c.Labels) && keepState(c, f) && keepNet(c, f) &&
			f.any("id", func(v string) bool { return strings.HasPrefix(c.ID, v) }) &&
			f.any("name", func(v string) bool { return matchName(v, c.Name) }) &&
			f.any("volume", func(v string) bool {
				return slices.ContainsFunc(c.Mounts, func(m container.Mount) bool { return m.Name == v || m.Target == v || m.Source == v })
			}) &&
			(len(f["ancestor"]) == 0 || images[c.ImageID]) &&
			(before.IsZero() || c.Created.Before(before)) && (since.IsZero() || c.Created.After(since))
	}
	return slices.DeleteFunc(list, func(c *container.Container) bool { return !keep(c) }), nil
}

// networkNames puts the names of networks in a filter for their IDs.
func networkNames(e *env, f filters) error {
	if len(f["network"]) == 0 {
		return nil
	}
	nets, err := e.networks()
	if err != nil {
		return err
	}
	for i, v := range f["network"] {
		for _, name := range docker.Predefined() {
			if len(v) > 0 && strings.HasPrefix(docker.PredefinedID(name), v) {
				f["network"][i] = name
			}
		}
		if w, err := nets.Lookup(v); err == nil {
			f["network"][i] = w.Name
		}
	}
	return nil
}

func keepState(c *container.Container, f filters) bool {
	return f.any("status", func(v string) bool { return string(c.State.Status) == v }) &&
		f.any("health", func(v string) bool { return string(docker.HealthStatus(c.State)) == v }) &&
		f.any("exited", func(v string) bool {
			return c.State.Status == container.Exited && strconv.Itoa(c.State.ExitCode) == v
		})
}

func keepNet(c *container.Container, f filters) bool {
	if !f.any("network", func(v string) bool { return slices.Contains(docker.NetworkNames(c), v) }) {
		return false
	}
	if len(f["publish"])+len(f["expose"]) == 0 {
		return true
	}
	for _, p := range c.State.Ports {
		if len(f["publish"]) > 0 && f.any("publish", func(v string) bool { return matchPort(v, p.HostPort, p.Proto) }) ||
			len(f["expose"]) > 0 && f.any("expose", func(v string) bool { return matchPort(v, p.ContainerPort, p.Proto) }) {
			return true
		}
	}
	return len(f["expose"]) > 0 && slices.ContainsFunc(c.Net.Exposed, func(port string) bool {
		n, _, proto, err := portRange(port)
		return err == nil && f.any("expose", func(v string) bool { return matchPort(v, n, proto) })
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

func ancestors(e *env, args []string) (map[string]bool, error) {
	ids := map[string]bool{}
	for _, a := range args {
		img, _, err := e.image(a)
		var missing *oci.NotFoundError
		if errors.As(err, &missing) {
			continue
		}
		if err != nil {
			return nil, err
		}
		ids[img.ID] = true
	}
	return ids, nil
}
