// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"maps"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/compose/convert"
)

// pod is one that is being made.
type pod struct {
	*draft
	u    unit
	spec podSpec
}

// template is what the pods of a unit are made of.
func (d *draft) template(u unit) template {
	p := &pod{draft: d, u: u}
	if d.o.Kind == "" {
		// Variables such as REDIS_PORT=tcp://… mean something else to many programs.
		p.spec.ServiceLinks = new(bool)
	}
	t := template{Metadata: Meta{Labels: d.labels(u.ServiceConfig)}}
	// What the first says of the pod stays.
	for _, s := range slices.Concat([]types.ServiceConfig{u.ServiceConfig}, u.beside, u.before) {
		p.share(s)
		for k, v := range p.said(s) {
			if t.Metadata.Annotations == nil {
				t.Metadata.Annotations = map[string]string{}
			}
			if _, there := t.Metadata.Annotations[k]; !there {
				t.Metadata.Annotations[k] = v
			}
		}
	}
	for _, s := range u.before {
		c := p.container(s)
		c.Readiness, c.Lifecycle = nil, nil // which what runs before the others cannot have
		for _, key := range []string{"healthcheck", "post_start", "pre_stop"} {
			if convert.Says(s, key) {
				p.say(s, key, "not carried over: it runs before %s begins", p.u.Name)
			}
		}
		p.spec.Init = append(p.spec.Init, c)
	}
	for _, s := range slices.Concat([]types.ServiceConfig{u.ServiceConfig}, u.beside) {
		p.spec.Containers = append(p.spec.Containers, p.container(s))
	}
	p.restart()
	t.Spec = p.spec
	return t
}

// said are the annotations of a service: labels and annotations.
func (p *pod) said(s types.ServiceConfig) map[string]string {
	all := map[string]string{}
	maps.Copy(all, p.annotations(p.o.What, s.Name, "labels", s.Labels))
	maps.Copy(all, p.annotations(p.o.What, s.Name, "annotations", types.Labels(s.Annotations)))
	return all
}

// annotations are the labels that can be some; those of kompose are told apart.
func (d *draft) annotations(what, name, key string, labels types.Labels) map[string]string {
	all := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		switch {
		case strings.HasPrefix(k, "kompose.") && slices.Contains(komposeLabels(), k):
		case strings.HasPrefix(k, "kompose."):
			d.note(what, name, key, "%s: not carried over: of kompose's labels there are %s", k, strings.Join(komposeLabels(), ", "))
		case !isAnnotation(k):
			d.note(what, name, key, "%s: not carried over: no annotation can be called so", k)
		default:
			all[k] = labels[k]
		}
	}
	return all
}

// komposeLabels are the labels of kompose that mean here what they do there.
func komposeLabels() []string {
	return []string{
		"kompose.controller.type", "kompose.image-pull-policy", "kompose.image-pull-secret", "kompose.service.type",
		"kompose.volume.size", "kompose.volume.storage-class-name",
	}
}

// restart is the policy of a pod that nothing makes again.
func (p *pod) restart() {
	if p.u.kind != Pod {
		return
	}
	switch convert.RestartPolicy(p.u.ServiceConfig).Name {
	case moby.RestartPolicyDisabled, "":
		p.spec.RestartPolicy = "Never"
	case moby.RestartPolicyOnFailure:
		p.spec.RestartPolicy = "OnFailure"
	}
}

// one keeps a value of the pod, of which there is one: another container's other one
// is named.
func one[T comparable](p *pod, s types.ServiceConfig, key string, have *T, want T) {
	var none T
	switch *have {
	case none:
		*have = want
	case want:
	default:
		p.say(s, key, "not carried over: %s has another, and a pod has one", p.of(p.u.ServiceConfig))
	}
}

// share sets what a service says of what the containers of a pod share.
func (p *pod) share(s types.ServiceConfig) {
	p.shareNames(s)
	if s.NetworkMode == "host" {
		p.spec.HostNetwork, p.spec.DNSPolicy = true, "ClusterFirstWithHostNet"
	}
	p.spec.HostPID = p.spec.HostPID || s.Pid == "host"
	p.spec.HostIPC = p.spec.HostIPC || s.Ipc == "host"
	if other, ok := strings.CutPrefix(s.Pid, types.ServicePrefix); ok && p.host(p.p.Services[other]).Name == p.host(s).Name {
		p.spec.ShareProcessNamespace = true
	}
	if s.StopGracePeriod != nil {
		grace := int64(seconds(*s.StopGracePeriod))
		if p.spec.Grace == nil || *p.spec.Grace < grace {
			p.spec.Grace = &grace
		}
	}
	for _, g := range s.GroupAdd {
		n, err := strconv.ParseInt(g, 10, 64)
		if err != nil {
			p.say(s, "group_add", "%s: not carried over: write its number", g)
			continue
		}
		p.security().SupplementalGroups = append(p.security().SupplementalGroups, n)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Sysctls)) {
		i := slices.IndexFunc(p.security().Sysctls, func(n named) bool { return n.Name == name })
		if i < 0 {
			p.security().Sysctls = append(p.security().Sysctls, named{name, s.Sysctls[name]})
		} else {
			one(p, s, "sysctls", &p.security().Sysctls[i].Value, s.Sysctls[name])
		}
	}
	if name := s.Labels["kompose.image-pull-secret"]; name != "" && !slices.Contains(p.spec.ImagePullSecrets, named{Name: name}) {
		p.spec.ImagePullSecrets = append(p.spec.ImagePullSecrets, named{Name: name})
	}
	p.place(s)
}

func (p *pod) security() *podSecurity {
	if p.spec.Security == nil {
		p.spec.Security = &podSecurity{}
	}
	return p.spec.Security
}

// shareNames are the hostname and where names are looked up.
func (p *pod) shareNames(s types.ServiceConfig) {
	if s.Hostname != "" && s.NetworkMode != "host" {
		name := hostLabel(s.Hostname)
		if name != s.Hostname {
			p.say(s, "hostname", "%s: a pod can be called %s", s.Hostname, name)
		}
		one(p, s, "hostname", &p.spec.Hostname, name)
	}
	config := func() *dnsConfig {
		if p.spec.DNSConfig == nil {
			p.spec.DNSConfig = &dnsConfig{}
		}
		return p.spec.DNSConfig
	}
	for _, server := range s.DNS {
		if len(config().Nameservers) == 3 { // resolv.conf(5), and the API refuses more
			p.say(s, "dns", "%s: not carried over: a pod has three at most", server)
			continue
		}
		config().Nameservers = append(config().Nameservers, server)
	}
	for _, domain := range s.DNSSearch {
		if domain == "." {
			p.say(s, "dns_search", ".: not carried over: the cluster's domains stay")
			continue
		}
		if !isDomain(strings.TrimSuffix(domain, ".")) {
			p.say(s, "dns_search", "%s: not carried over: no domain can be called so", domain)
			continue
		}
		config().Searches = append(config().Searches, domain)
	}
	for _, opt := range s.DNSOpts {
		name, value, _ := strings.Cut(opt, ":")
		config().Options = append(config().Options, named{name, value})
	}
	p.aliases(s)
}

func (p *pod) aliases(s types.ServiceConfig) {
	of := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(s.ExtraHosts)) {
		for _, ip := range s.ExtraHosts[name] {
			if _, err := netip.ParseAddr(ip); err != nil {
				p.say(s, "extra_hosts", "%s: not carried over: %s is no address in a cluster", name, ip)
				continue
			}
			if !isDomain(name) {
				p.say(s, "extra_hosts", "%s: not carried over: no host can be called so", name)
				continue
			}
			of[ip] = append(of[ip], name)
		}
	}
	for _, ip := range slices.Sorted(maps.Keys(of)) {
		p.spec.HostAliases = append(p.spec.HostAliases, hostAlias{ip, of[ip]})
	}
}

// place says on which nodes the pod may be.
func (p *pod) place(s types.ServiceConfig) {
	want := map[string]string{}
	if system, machine, ok := strings.Cut(s.Platform, "/"); ok {
		want["kubernetes.io/os"] = system
		want["kubernetes.io/arch"], _, _ = strings.Cut(machine, "/")
	} else if s.Platform != "" {
		want["kubernetes.io/os"] = s.Platform
	}
	if s.Deploy != nil {
		for _, c := range s.Deploy.Placement.Constraints {
			key, value, ok := constraint(c)
			if !ok {
				p.say(s, "deploy.placement.constraints", "%s: not carried over: write it as an affinity", c)
				continue
			}
			want[key] = value
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if p.spec.NodeSelector == nil {
			p.spec.NodeSelector = map[string]string{}
		}
		if !isQualified(want[key]) {
			p.say(s, "platform", "%s: not carried over: no label of a node can be so", want[key])
			continue
		}
		have := p.spec.NodeSelector[key]
		one(p, s, "platform", &have, want[key])
		p.spec.NodeSelector[key] = have
	}
}

// constraint is a label of nodes, and what it is to be.
func constraint(text string) (key, value string, ok bool) {
	key, value, ok = strings.Cut(text, "==")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	own, isLabel := strings.CutPrefix(key, "node.labels.")
	switch {
	case !ok, value != "" && !isQualified(value):
		return "", "", false
	case isLabel:
		return own, value, isAnnotation(own)
	}
	key = map[string]string{"node.hostname": "kubernetes.io/hostname", "node.platform.os": "kubernetes.io/os", "node.platform.arch": "kubernetes.io/arch"}[key]
	if key == "kubernetes.io/arch" {
		value = strings.NewReplacer("x86_64", "amd64", "aarch64", "arm64").Replace(value)
	}
	return key, value, key != ""
}

// volume is the name in the pod of one, which is added where there is none like it.
func (p *pod) volume(name string, v volume, shared bool) string {
	name = label(name)
	if name == "" {
		name = "volume"
	}
	base := name[:min(len(name), longest-3)]
	for i := 2; ; i++ {
		at := slices.IndexFunc(p.spec.Volumes, func(o volume) bool { return o.Name == name })
		if at < 0 {
			break
		}
		if v.Name = name; shared && same(p.spec.Volumes[at], v) {
			return name
		}
		name = base + "-" + strconv.Itoa(i)
	}
	v.Name = name
	p.spec.Volumes = append(p.spec.Volumes, v)
	return name
}

// seconds is a time as Kubernetes counts it: not shorter, and not none.
func seconds(d types.Duration) int {
	return int((time.Duration(d) + time.Second - 1) / time.Second)
}

// mounted adds a place to a container, unless something is there already.
func mounted(c *container, m mount) bool {
	m.Path = path.Clean(m.Path)
	if slices.ContainsFunc(c.Mounts, func(o mount) bool { return o.Path == m.Path }) {
		return false
	}
	c.Mounts = append(c.Mounts, m)
	return true
}
