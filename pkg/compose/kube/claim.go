// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"maps"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
)

// The size that is asked for where nobody says one: volumes of one machine have none.
const defaultSize = "1Gi"

// claimName is the claim of a named volume.
func (d *draft) claimName(key string) string {
	v := d.p.Volumes[key]
	name := key
	if v.External && v.Name != "" {
		name = v.Name
	}
	return d.name("PersistentVolumeClaim", name, "volume "+key)
}

// shared is many, by the name of the claim.
func (d *draft) shared(claim string) bool {
	for key := range d.p.Volumes {
		if d.claimName(key) == claim {
			return d.many(key)
		}
	}
	return false
}

// claims adds those of the volumes that services have, but for what is there already.
func (d *draft) claims(units []unit) {
	for _, key := range slices.Sorted(maps.Keys(d.p.Volumes)) {
		users := d.users(key)
		if len(users) == 0 || len(units) == 0 {
			continue
		}
		v, name := d.p.Volumes[key], d.claimName(key)
		if v.External {
			d.note("volume", key, "external", "the PersistentVolumeClaim %s has to be there", name)
			continue
		}
		d.add(d.claim(key, name, v, users))
	}
}

func (d *draft) claim(key, name string, v types.VolumeConfig, users []types.ServiceConfig) Object {
	said := func(label string) string {
		for _, s := range users {
			if text := s.Labels[label]; v.Labels[label] == "" && text != "" {
				return text
			}
		}
		return v.Labels[label]
	}
	c := claimSpec{AccessModes: []string{"ReadWriteOnce"}, Resources: resources{Requests: map[string]string{"storage": said("kompose.volume.size")}}}
	if c.Resources.Requests["storage"] == "" {
		c.Resources.Requests["storage"] = defaultSize
		d.note("volume", key, "size", "it has none on this machine: %s is asked for; the label kompose.volume.size says another", defaultSize)
	}
	if class := said("kompose.volume.storage-class-name"); class != "" {
		c.Class = &class
	}
	if d.many(key) {
		c.AccessModes = []string{"ReadWriteMany"}
		d.note("volume", key, "volumes", "several pods have it: the cluster needs storage that is ReadWriteMany")
	}
	const instead = "not carried over: write a PersistentVolume, or the label kompose.volume.storage-class-name"
	if v.Driver != "" && v.Driver != "local" {
		d.note("volume", key, "driver", instead)
	}
	if len(v.DriverOpts) > 0 {
		d.note("volume", key, "driver_opts", instead)
	}
	meta := Meta{Name: name, Labels: d.partOf(), Annotations: d.annotations("volume", key, "labels", v.Labels)}
	return Object{APIVersion: "v1", Kind: "PersistentVolumeClaim", Metadata: meta, Spec: c}
}
