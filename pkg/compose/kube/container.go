// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/compose/convert"
)

// container is that of a service in a pod.
func (p *pod) container(s types.ServiceConfig) container {
	c := container{
		Name: p.containerName(s), Image: convert.ImageName(p.p, s), PullPolicy: p.pullPolicy(s), Command: literals(s.Entrypoint), Args: literals(s.Command),
		WorkingDir: s.WorkingDir, Stdin: s.StdinOpen, TTY: s.Tty, Resources: p.resources(s), Readiness: p.probe(s), Lifecycle: p.lifecycle(s),
	}
	if s.Entrypoint != nil && len(s.Entrypoint) == 0 {
		p.say(s, "entrypoint", "an empty one does not take away the image's: write the program here")
	}
	if s.Command != nil && len(s.Command) == 0 {
		p.say(s, "command", "an empty one does not take away the image's: write the entrypoint here")
	}
	p.environment(&c, s)
	p.ports(&c, s)
	p.safety(&c, s)
	p.storage(&c, s)
	return c
}

// containerName is that of a container, which is its own in the pod.
func (p *pod) containerName(s types.ServiceConfig) string {
	return p.name("container of "+label(p.u.Name), s.Name, p.of(s))
}

func (p *pod) pullPolicy(s types.ServiceConfig) string {
	if said := s.Labels["kompose.image-pull-policy"]; said != "" {
		for _, policy := range []string{"Always", "IfNotPresent", "Never"} {
			if strings.EqualFold(policy, said) {
				return policy
			}
		}
		p.say(s, "labels", "kompose.image-pull-policy: %s: there are Always, IfNotPresent and Never", said)
	}
	policy, every, err := s.GetPullPolicy()
	switch {
	case err != nil:
		p.fail("%s: %w", p.of(s), err)
	case s.PullPolicy == "" || policy == types.PullPolicyBuild:
		return ""
	case policy == types.PullPolicyAlways:
		return "Always"
	case policy == types.PullPolicyNever:
		return "Never"
	case policy == types.PullPolicyRefresh:
		p.say(s, "pull_policy", "%s: the image is asked for at every start of a pod, not by the time of %v", s.PullPolicy, every)
		return "Always"
	}
	return "IfNotPresent"
}

// environment gives the variables of the file itself one by one, and those of
// env_file by a ConfigMap.
func (p *pod) environment(c *container, s types.ServiceConfig) {
	own := types.MappingWithEquals(nil)
	if p.o.Own != nil {
		own = p.o.Own(s.Name)
	}
	from := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(s.Environment)) {
		v := s.Environment[k]
		_, said := own[k]
		switch {
		case v == nil:
			p.say(s, "environment", "%s: it has no value here, and the image's stays", k)
		case !isVariable(k):
			p.say(s, "environment", "%q: not carried over: no variable can be called so", k)
		case p.o.Own == nil || said || !isKey(k):
			c.Env = append(c.Env, variable{k, literal(*v)})
		default:
			from[k] = *v
		}
	}
	if len(from) > 0 {
		name := p.name("ConfigMap", s.Name+"-env", p.of(s)+"'s env_file")
		p.add(Object{APIVersion: "v1", Kind: "ConfigMap", Metadata: Meta{Name: name, Labels: p.labels(p.u.ServiceConfig)}, Data: from})
		c.EnvFrom = append(c.EnvFrom, envFrom{named{Name: name}})
	}
}

// isVariable reports whether Kubernetes takes a name of a variable: printable ASCII
// without =.
func isVariable(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' || r == '=' })
}

// ports are told for others to read: a pod's are all open.
func (p *pod) ports(c *container, s types.ServiceConfig) {
	for _, port := range s.Ports {
		one := ctrPort{Port: int(port.Target), Protocol: protocol(port.Protocol)}
		if n, err := strconv.Atoi(port.Published); err == nil && port.Mode == "host" {
			one.HostPort = n
		}
		if p.spec.HostNetwork {
			one.HostPort = 0
		}
		c.Ports = addPort(c.Ports, one)
	}
	for _, text := range s.Expose {
		for _, port := range p.exposed(s, text) {
			c.Ports = addPort(c.Ports, ctrPort{Port: port, Protocol: protocol(after(text))})
		}
	}
}

func after(text string) string { _, proto, _ := strings.Cut(text, "/"); return proto }

func addPort(list []ctrPort, port ctrPort) []ctrPort {
	for i, o := range list {
		if o.Port == port.Port && o.Protocol == port.Protocol && (o.HostPort == port.HostPort || o.HostPort == 0 || port.HostPort == 0) {
			list[i].HostPort = max(o.HostPort, port.HostPort)
			return list
		}
	}
	return append(list, port)
}

// protocol is empty for TCP, which is what is meant without one.
func protocol(name string) string {
	if name = strings.ToUpper(name); name == "TCP" {
		return ""
	}
	return name
}

// exposed are the ports of an entry of expose: N, or N-M, and a protocol.
func (d *draft) exposed(s types.ServiceConfig, text string) (list []int) {
	numbers, _, _ := strings.Cut(text, "/")
	first, last, isRange := strings.Cut(numbers, "-")
	from, err := strconv.Atoi(first)
	to := from
	if err == nil && isRange {
		to, err = strconv.Atoi(last)
	}
	if err != nil || from < 1 || to > 65535 || from > to || to-from >= 100 {
		d.say(s, "expose", "%s: not carried over: write at most a hundred ports", text)
		return nil
	}
	for n := from; n <= to; n++ {
		list = append(list, n)
	}
	return list
}

// resources are limits, and what is reserved.
func (p *pod) resources(s types.ServiceConfig) *resources {
	q := convert.Resources(s)
	r := resources{Limits: map[string]string{}, Requests: map[string]string{}}
	nano := q.NanoCPUs
	if nano == 0 && q.CPUQuota > 0 {
		period := q.CPUPeriod
		if period == 0 {
			period = 100_000 // Linux' own, in microseconds
		}
		nano = q.CPUQuota * 1_000_000_000 / period
	} else if q.CPUPeriod > 0 && q.CPUQuota <= 0 {
		p.say(s, "cpu_period", "not carried over: it is the node's matter")
	}
	put := func(to map[string]string, name, value string, n int64) {
		if n > 0 {
			to[name] = value
		}
	}
	put(r.Limits, "cpu", cpu(nano), nano)
	put(r.Limits, "memory", size(q.Memory), q.Memory)
	put(r.Requests, "memory", size(q.MemoryReservation), q.MemoryReservation)
	if d := s.Deploy; d != nil && d.Resources.Reservations != nil {
		reserved := int64(float64(d.Resources.Reservations.NanoCPUs)*1e6+0.5) * 1e3
		put(r.Requests, "cpu", cpu(reserved), reserved)
	}
	for _, d := range q.DeviceRequests {
		if d.Driver != "" && d.Driver != "nvidia" || d.Count < 1 || len(d.DeviceIDs) > 0 || len(d.Capabilities) == 0 || !slices.Contains(d.Capabilities[0], "gpu") {
			p.say(s, deviceKey(s), "not carried over: a number of NVIDIA's is (count: 1)")
			continue
		}
		r.Limits["nvidia.com/gpu"] = strconv.Itoa(d.Count)
	}
	p.checkRequests(s, q.Memory, q.MemoryReservation)
	if len(r.Limits)+len(r.Requests) == 0 {
		return nil
	}
	return &r
}

// checkRequests refuses more reserved than may be used, as a cluster does.
func (p *pod) checkRequests(s types.ServiceConfig, limit, request int64) {
	if limit > 0 && request > limit {
		p.fail("%s: %s of memory is reserved, of %s that it may have", p.of(s), size(request), size(limit))
	}
	if d := s.Deploy; d != nil && d.Resources.Limits != nil && d.Resources.Reservations != nil && d.Resources.Limits.NanoCPUs > 0 && d.Resources.Reservations.NanoCPUs > d.Resources.Limits.NanoCPUs {
		p.fail("%s: %v CPUs are reserved, of %v that it may have", p.of(s), d.Resources.Reservations.NanoCPUs, d.Resources.Limits.NanoCPUs)
	}
}

func deviceKey(s types.ServiceConfig) string {
	if len(s.Gpus) > 0 {
		return "gpus"
	}
	return "deploy.resources.reservations.devices"
}

// probe says when the container is ready, as health does for those that wait.
func (p *pod) probe(s types.ServiceConfig) *probe {
	h := s.HealthCheck
	if h == nil || h.Disable || len(h.Test) > 0 && h.Test[0] == "NONE" {
		return nil
	}
	if len(h.Test) == 0 {
		p.say(s, "healthcheck", "the image's own test is not run by Kubernetes: write it here")
		return nil
	}
	// Docker's own where nothing is said: Kubernetes' are others.
	c := &probe{PeriodSeconds: 30, TimeoutSeconds: 30, FailureThreshold: 3}
	of := func(n *int64, t *types.Duration) {
		if t != nil && *t > 0 {
			*n = int64(seconds(*t))
		}
	}
	of(&c.PeriodSeconds, h.Interval)
	of(&c.TimeoutSeconds, h.Timeout)
	if h.Retries != nil && *h.Retries > 0 {
		c.FailureThreshold = int64(*h.Retries)
	}
	if t := h.Interval; t != nil && time.Duration(*t)%time.Second != 0 {
		p.say(s, "healthcheck.interval", "%v is %d s: Kubernetes counts whole seconds", *t, c.PeriodSeconds)
	}
	switch h.Test[0] {
	case "CMD":
		c.Exec.Command = literals(h.Test[1:])
	case "CMD-SHELL":
		c.Exec.Command = literals(append([]string{"/bin/sh", "-c"}, h.Test[1:]...))
	default:
		p.fail("%s: healthcheck: test begins with CMD, CMD-SHELL or NONE, not %s", p.of(s), h.Test[0])
	}
	return c
}

func (p *pod) lifecycle(s types.ServiceConfig) *lifecycle {
	l := lifecycle{PostStart: p.hook(s, "post_start", s.PostStart), PreStop: p.hook(s, "pre_stop", s.PreStop)}
	if l.PostStart == nil && l.PreStop == nil {
		return nil
	}
	return &l
}

// hook is the command that runs in the container: there is one, and it runs as the
// container does.
func (p *pod) hook(s types.ServiceConfig, key string, list []types.ServiceHook) *handler {
	if len(list) == 0 {
		return nil
	}
	h := list[0]
	if h.User != "" || h.Privileged || h.WorkingDir != "" || len(h.Environment) > 0 {
		p.say(s, key, "not carried over: a hook of Kubernetes runs as the container does: it has no user, privileged, working_dir or environment")
		return nil
	}
	if len(list) > 1 {
		p.say(s, key, "not carried over: there are %d commands, and Kubernetes runs one", len(list))
		return nil
	}
	return &handler{action{h.Command}}
}
