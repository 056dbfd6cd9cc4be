// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/compose/convert"
)

// unit is what becomes a pod: a service, those that share its network namespace, and
// those that have to end before it begins.
type unit struct {
	types.ServiceConfig
	kind           string
	before, beside []types.ServiceConfig
}

func (u unit) all() []types.ServiceConfig {
	return slices.Concat([]types.ServiceConfig{u.ServiceConfig}, u.beside, u.before)
}

// stack is a project, and how its services belong together.
type stack struct {
	p *types.Project
	o Options

	// What others wait for, its beginning or its end; and for what runs before one
	// other, that other.
	begun, ended map[string]bool
	waiters      map[string]string
}

func newStack(p *types.Project, o Options) stack {
	k := stack{p, o, map[string]bool{}, map[string]bool{}, map[string]string{}}
	waiting, sharing := map[string][]string{}, map[string]bool{}
	for name, s := range p.Services {
		for on, dep := range s.DependsOn {
			waiting[on] = append(waiting[on], name)
			if dep.Condition == types.ServiceConditionCompletedSuccessfully {
				k.ended[on] = true
			} else {
				k.begun[on] = true
			}
		}
		if host := k.host(s).Name; host != name {
			sharing[host], sharing[name] = true, true
		}
	}
	for name, s := range p.Services {
		if len(waiting[name]) == 1 && !sharing[name] && k.isBefore(s, p.Services[waiting[name][0]]) {
			k.waiters[name] = waiting[name][0]
		}
	}
	return k
}

// units are those of a project, by name.
func (k stack) units() (list []unit) {
	all := k.p.ServiceNames()
	if together := k.o.Together; len(together) > 0 {
		u := unit{ServiceConfig: k.p.Services[together[0]], kind: k.o.Kind}
		for _, name := range together[1:] {
			u.beside = append(u.beside, k.p.Services[name])
		}
		return []unit{u}
	}
	for _, name := range all {
		s := k.p.Services[name]
		if k.host(s).Name != name || k.waiter(s) != "" {
			continue
		}
		u := unit{ServiceConfig: s, kind: k.kind(s), before: k.before(s)}
		for _, other := range all {
			if o := k.p.Services[other]; other != name && k.host(o).Name == name {
				u.beside = append(u.beside, o)
			}
		}
		list = append(list, u)
	}
	return list
}

// host is the service whose pod a service is in, by its network namespace.
func (k stack) host(s types.ServiceConfig) types.ServiceConfig {
	if len(k.o.Together) > 0 {
		return k.p.Services[k.o.Together[0]]
	}
	for range k.p.Services {
		other, ok := k.p.Services[strings.TrimPrefix(s.NetworkMode, types.ServicePrefix)]
		if !ok || !strings.HasPrefix(s.NetworkMode, types.ServicePrefix) {
			break
		}
		s = other
	}
	return s
}

// waiter is the one service that a service runs before, as an init container. Without
// one, what others wait for the end of is a Job.
func (k stack) waiter(s types.ServiceConfig) string { return k.waiters[s.Name] }

// isBefore reports whether a service can run in the pod of the only one that waits for
// it: of which there is one, and for its end.
func (k stack) isBefore(s, waiter types.ServiceConfig) bool {
	return waiter.DependsOn[s.Name].Condition == types.ServiceConditionCompletedSuccessfully && waiter.GetScale() == 1 &&
		k.kind(waiter) != DaemonSet && k.host(waiter).Name == waiter.Name && len(s.Ports)+len(s.Expose) == 0 && s.GetScale() == 1
}

// before are the services that run before a service in its pod, in the order that
// they wait for each other.
func (k stack) before(s types.ServiceConfig) (list []types.ServiceConfig) {
	for _, name := range slices.Sorted(maps.Keys(s.DependsOn)) {
		if first, ok := k.p.Services[name]; ok && k.waiter(first) == s.Name {
			list = append(append(list, k.before(first)...), first)
		}
	}
	return list
}

// kind is what a service becomes. By itself that is a Deployment: where a file does
// not say when to start again, it is rarely meant that a server ends for good.
func (k stack) kind(s types.ServiceConfig) string {
	if k.o.Kind != "" {
		return k.o.Kind
	}
	mode := ""
	if s.Deploy != nil {
		mode = s.Deploy.Mode
	}
	switch {
	case mode == "global":
		return DaemonSet
	case strings.HasSuffix(mode, "-job"), k.ended[s.Name], k.ends(s) && mode == "" && s.GetScale() == 1 && !serves(s) && !k.begun[s.Name]:
		return Job
	}
	switch strings.ToLower(s.Labels["kompose.controller.type"]) {
	case "daemonset":
		return DaemonSet
	case "job":
		return Job
	}
	return Deployment
}

// ends reports whether a service says that it is not always started again.
func (k stack) ends(s types.ServiceConfig) bool {
	said := s.Restart != "" || s.Deploy != nil && s.Deploy.RestartPolicy != nil
	policy := convert.RestartPolicy(s).Name
	return said && (policy == moby.RestartPolicyDisabled || policy == moby.RestartPolicyOnFailure)
}

// serves reports whether a service is one that others talk to.
func serves(s types.ServiceConfig) bool {
	h := s.HealthCheck
	return len(s.Ports)+len(s.Expose) > 0 || h != nil && !h.Disable && len(h.Test) > 0 && h.Test[0] != "NONE"
}

// implied reports whether a dependency is the library's own, of another key.
func (k stack) implied(s types.ServiceConfig, name string) bool {
	return k.host(s).Name == name && name != s.Name ||
		slices.ContainsFunc(s.Links, func(l string) bool { return l == name || strings.HasPrefix(l, name+":") }) ||
		slices.ContainsFunc(s.VolumesFrom, func(v string) bool { return v == name || strings.HasPrefix(v, name+":") })
}

// users are the services that have a named volume.
func (k stack) users(key string) (list []types.ServiceConfig) {
	has := func(s types.ServiceConfig) bool {
		return slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Type == types.VolumeTypeVolume && v.Source == key })
	}
	for _, name := range k.p.ServiceNames() {
		s := k.p.Services[name]
		if has(s) || slices.ContainsFunc(s.VolumesFrom, func(from string) bool { return has(k.p.Services[serviceOf(from)]) }) {
			list = append(list, s)
		}
	}
	return list
}

func serviceOf(from string) string {
	for i := range len(from) {
		if from[i] == ':' {
			return from[:i]
		}
	}
	return from
}

// many reports whether several pods have a volume at once.
func (k stack) many(key string) bool {
	pods := map[string]bool{}
	for _, s := range k.users(key) {
		at := k.host(s).Name
		for w := k.waiter(k.p.Services[at]); w != ""; w = k.waiter(k.p.Services[at]) {
			at = w
		}
		pods[at] = true
		n := k.host(s)
		if n.GetScale() > 1 || k.o.Replicas != nil && *k.o.Replicas > 1 || k.kind(n) == DaemonSet {
			return true
		}
	}
	return len(pods) > 1
}
