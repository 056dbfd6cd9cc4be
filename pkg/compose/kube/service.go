// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// services adds what others find units by: a Service for each name that one has. One
// without ports is headless: its name leads to the pods, of which every port is open,
// as it is between containers.
func (d *draft) services(units []unit) {
	for _, u := range units {
		if d.o.Kind != "" && !d.o.Services {
			d.published(u, "not published: a Service does that")
			continue
		}
		ports := d.servicePorts(u)
		kind := d.serviceType(u)
		if u.kind == Job && d.o.Kind == "" && len(ports) == 0 || u.NetworkMode == "none" || d.o.Kind != "" && len(ports) == 0 {
			continue
		}
		spec := serviceSpec{Type: kind, Selector: d.labels(u.ServiceConfig), Ports: ports}
		if len(ports) == 0 || kind == "None" {
			spec.Type, spec.ClusterIP = "", "None"
		}
		if spec.Type == "ClusterIP" {
			spec.Type = ""
		}
		name := d.name("Service", u.Name, d.of(u.ServiceConfig))
		d.add(Object{APIVersion: "v1", Kind: "Service", Metadata: Meta{Name: name, Labels: d.labels(u.ServiceConfig)}, Spec: spec})
	}
	for _, u := range units {
		if d.o.Kind == "" && u.NetworkMode != "none" {
			d.otherNames(u)
		}
	}
}

// serviceType is that of a unit's Service: None is one without an address.
func (d *draft) serviceType(u unit) string {
	if d.o.Kind != "" {
		d.published(u, "the cluster chooses the port of its nodes")
		return "NodePort"
	}
	kind := "ClusterIP"
	switch said := strings.ToLower(u.Labels["kompose.service.type"]); said {
	case "":
		if u.Deploy != nil && u.Deploy.EndpointMode == "dnsrr" {
			return "None"
		}
	case "clusterip":
	case "nodeport":
		return "NodePort"
	case "loadbalancer":
		return "LoadBalancer"
	case "headless":
		return "None"
	default:
		d.say(u.ServiceConfig, "labels", "kompose.service.type: %s: there are clusterip, headless, loadbalancer and nodeport", said)
	}
	d.published(u, "within the cluster alone: the label kompose.service.type says nodeport or loadbalancer, or write an Ingress")
	return kind
}

// published says what becomes of the ports that are the host's.
func (d *draft) published(u unit, what string) {
	for _, s := range slices.Concat([]types.ServiceConfig{u.ServiceConfig}, u.beside) {
		var list []int
		for _, p := range s.Ports {
			if n, err := strconv.Atoi(p.Published); err == nil && n > 0 && p.Mode != "host" {
				list = append(list, n)
			}
		}
		if len(list) > 0 {
			d.say(s, "ports", "%s: %s", ranges(list), what)
		}
	}
}

// ranges are numbers as people write them: 80, 8000-8010.
func ranges(list []int) string {
	slices.Sort(list)
	list = slices.Compact(list)
	var texts []string
	for i, first := 0, 0; i < len(list); i++ {
		if i+1 < len(list) && list[i+1] == list[i]+1 {
			continue
		}
		switch {
		case i == first:
			texts = append(texts, strconv.Itoa(list[i]))
		default:
			texts = append(texts, strconv.Itoa(list[first])+"-"+strconv.Itoa(list[i]))
		}
		first = i + 1
	}
	return strings.Join(texts, ", ")
}

// servicePorts are those of a unit: what its containers listen at, and what they are
// published at where that is another number.
func (d *draft) servicePorts(u unit) (list []servicePort) {
	taken, names := map[string]bool{}, map[string]bool{}
	add := func(p servicePort) {
		at := strconv.Itoa(p.Port) + "/" + p.Protocol
		if taken[at] {
			return
		}
		if names[p.Name] {
			p.Name += "-" + strconv.Itoa(p.Port)
		}
		taken[at], names[p.Name] = true, true
		list = append(list, p)
	}
	members := slices.Concat([]types.ServiceConfig{u.ServiceConfig}, u.beside)
	for _, s := range members {
		for _, p := range s.Ports {
			if a := p.AppProtocol; a != "" && !isAnnotation(a) {
				d.say(s, "ports.app_protocol", "%s: not carried over: no protocol can be called so", a)
				p.AppProtocol = ""
			}
			add(d.port(p, int(p.Target), p.Name))
		}
		for _, text := range s.Expose {
			for _, n := range d.exposed(s, text) {
				add(d.port(types.ServicePortConfig{Protocol: after(text), Target: uint32(n)}, n, ""))
			}
		}
	}
	for _, s := range members {
		for _, p := range s.Ports {
			if n, err := strconv.Atoi(p.Published); err == nil && n > 0 && d.o.Kind == "" {
				add(d.port(p, n, ""))
			} else if p.Published != "" && err != nil {
				d.say(s, "ports", "%s: not carried over: write one number for %d", p.Published, p.Target)
			}
		}
	}
	return list
}

func (d *draft) port(p types.ServicePortConfig, number int, name string) servicePort {
	proto := strings.ToLower(p.Protocol)
	if proto == "" {
		proto = "tcp"
	}
	if name != label(name) || name == "" {
		name = proto + "-" + strconv.Itoa(number)
	}
	return servicePort{Name: name, Protocol: protocol(proto), AppProtocol: p.AppProtocol, Port: number, Target: int(p.Target)}
}

// otherNames adds Services for the further names by which a unit is found: aliases on
// networks, links of others, and the container's own name.
func (d *draft) otherNames(u unit) {
	for _, s := range slices.Concat([]types.ServiceConfig{u.ServiceConfig}, u.beside) {
		for _, name := range slices.Sorted(maps.Keys(s.Networks)) {
			if n := s.Networks[name]; n != nil {
				for _, alias := range n.Aliases {
					d.otherName(u, s, "networks.aliases", alias)
				}
			}
		}
		if s.Name != u.Name {
			d.say(s, "network_mode", "it is in the pod of %s: so do others find it", u.Name)
		}
		if s.ContainerName != "" {
			d.otherName(u, s, "container_name", s.ContainerName)
		}
	}
	for _, s := range u.before {
		if s.ContainerName != "" {
			d.say(s, "container_name", "not carried over: it runs before %s begins, and nobody finds it", u.Name)
		}
	}
	for _, name := range d.p.ServiceNames() {
		for _, link := range d.p.Services[name].Links {
			if to, alias, ok := strings.Cut(link, ":"); ok && to == u.Name {
				d.otherName(u, d.p.Services[name], "links", alias)
			}
		}
	}
}

func (d *draft) otherName(u unit, s types.ServiceConfig, key, alias string) {
	have := slices.IndexFunc(d.out.Objects, func(o Object) bool { return o.Kind == "Service" && o.Metadata.Name == label(u.Name) })
	if alias == u.Name {
		return
	}
	from, taken := d.names["Service/"+alias]
	switch {
	case have < 0:
		d.say(s, key, "%s: not carried over: it has no Service, for it has no ports", alias)
	case label(alias) != alias:
		d.say(s, key, "%s: not carried over: no Service can be called so", alias)
	case taken && from == "alias of "+u.Name:
	case taken || d.claimed(alias):
		d.say(s, key, "%s: not carried over: there is another Service of that name", alias)
	default:
		o := d.out.Objects[have]
		o.Metadata.Name = d.name("Service", alias, "alias of "+u.Name)
		d.add(o)
	}
}

// claimed reports whether a service has a name.
func (d *draft) claimed(name string) bool {
	_, ok := d.p.Services[name]
	return ok
}
