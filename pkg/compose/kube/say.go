// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/compose/convert"
)

// sayProject names what of the project, but of its services, is not carried over.
func (d *draft) sayProject() {
	if keys := slices.Sorted(maps.Keys(d.p.Networks)); len(keys) > 1 {
		d.note("project", d.p.Name, "networks", "%s: every pod reaches every other: write a NetworkPolicy to keep them apart", strings.Join(keys, ", "))
	}
	for _, key := range slices.Sorted(maps.Keys(d.p.Networks)) {
		n := d.p.Networks[key]
		for _, k := range []string{"driver", "driver_opts", "external", "attachable", "labels", "enable_ipv4", "enable_ipv6", "ipam.driver", "ipam.config", "ipam.options"} {
			if convert.Says(n, k) {
				d.note("network", key, k, "not carried over: a cluster has one network")
			}
		}
		if n.Internal {
			d.note("network", key, "internal", "not carried over: write a NetworkPolicy that lets nothing out")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(d.p.Models)) {
		d.note("model", key, "model", "not carried over: there is no runner of models")
	}
}

// sayService names what of a service is not carried over whatever else it says.
func (d *draft) sayService(s types.ServiceConfig) {
	for _, k := range unheard(s) {
		if k.Name == "build" && d.o.What == "service" {
			d.say(s, k.Name, "%s: it is called %s here", k.Note, convert.ImageName(d.p, s))
			continue
		}
		d.say(s, k.Name, "not carried over: %s", k.Note)
	}
	for _, key := range slices.Sorted(maps.Keys(s.Networks)) {
		if !s.Networks[key].ServiceNameAliasEnabled() {
			d.say(s, "networks.use_service_name_alias", "not carried over: its Service has its name")
		}
	}
	d.sayDependencies(s)
	d.sayModes(s)
}

func (d *draft) sayDependencies(s types.ServiceConfig) {
	var lost []string
	for _, name := range slices.Sorted(maps.Keys(s.DependsOn)) {
		other, ok := d.p.Services[name]
		if !ok || d.waiter(other) == s.Name || d.implied(s, name) {
			continue
		}
		lost = append(lost, name)
	}
	if len(lost) > 0 {
		d.say(s, "depends_on", "%s: pods start in any order: the program has to wait, or to end and be started again", strings.Join(lost, ", "))
	}
}

// sayGuest names what a service says of the pod that it is in, which is another's.
func (d *draft) sayGuest(u unit, s types.ServiceConfig) {
	for _, key := range []string{"scale", "deploy.replicas", "deploy.mode", "deploy.labels", "deploy.update_config", "deploy.endpoint_mode"} {
		if convert.Says(s, key) && !(key == "scale" && s.GetScale() == u.GetScale()) {
			d.say(s, key, "not carried over: it is in the pod of %s", u.Name)
		}
	}
	if have, want := convert.RestartPolicy(s), convert.RestartPolicy(u.ServiceConfig); s.Restart != "" && have != want {
		d.say(s, "restart", "not carried over: it is in the pod of %s", u.Name)
	}
	for _, name := range []string{"kompose.controller.type", "kompose.service.type"} {
		if s.Labels[name] != "" {
			d.say(s, "labels", "%s: not carried over: it is in the pod of %s", name, u.Name)
		}
	}
}

// sayModes names the modes of namespaces that no pod has.
func (d *draft) sayModes(s types.ServiceConfig) {
	if m := s.NetworkMode; m != "" && m != "host" && m != "default" && m != "bridge" && !strings.HasPrefix(m, types.ServicePrefix) {
		d.say(s, "network_mode", "%s: not carried over: a pod has its own network", m)
	}
	if s.Ipc != "" && s.Ipc != "host" && s.Ipc != "private" {
		d.say(s, "ipc", "%s: not carried over: a pod has its own, which its containers share", s.Ipc)
	}
	if other, ok := strings.CutPrefix(s.Pid, types.ServicePrefix); s.Pid != "" && s.Pid != "host" && s.Pid != "private" && (!ok || d.host(d.p.Services[other]).Name != d.host(s).Name) {
		d.say(s, "pid", "%s: not carried over: it is in another pod", s.Pid)
	}
}
