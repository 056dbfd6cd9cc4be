// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/compose/convert"
)

// Options are what a project does not say.
type Options struct {
	// ReadFile reads a file of the project that is regular and at most limit bytes
	// long; the mode is told of what is not.
	ReadFile func(path string, limit int64) ([]byte, fs.FileMode, error)

	// Own is the environment that a service has of the file itself: what else it has
	// is env_file's. It may be nil.
	Own func(service string) types.MappingWithEquals

	// These are for containers. Kind is that of every unit, and Services are written
	// with the type NodePort, or not at all.
	Kind     string
	What     string   // what a service is called in notes
	Together []string // all services, which are one unit: the first's
	Services bool
	Replicas *int
}

// The kinds of units.
const (
	Deployment = "Deployment"
	DaemonSet  = "DaemonSet"
	Job        = "Job"
	Pod        = "Pod"
)

// draft is a result that is being made.
type draft struct {
	stack
	out   Result
	names map[string]string // of objects, by kind and name: what they are made of
	files map[string]*Object
	err   error
}

// Project is what a project is on a cluster. An error is about a name that is none
// there, or that two things would have, or a file that cannot be read.
func Project(p *types.Project, o Options) (Result, error) {
	if o.What == "" {
		o.What = "service"
	}
	d := &draft{stack: newStack(p, o), names: map[string]string{}, files: map[string]*Object{}}
	d.sayProject()
	units := d.units()
	for _, u := range units {
		for _, s := range u.all() {
			d.sayService(s)
			if s.Name != u.Name {
				d.sayGuest(u, s)
			}
		}
		d.workload(u)
	}
	d.services(units)
	d.claims(units)
	if d.err == nil && len(d.out.Objects) == 0 {
		d.err = fmt.Errorf("no service selected")
	}
	order := []string{"ConfigMap", "Secret", "PersistentVolumeClaim", "Service", Job, DaemonSet, Deployment, Pod}
	slices.SortFunc(d.out.Objects, func(a, b Object) int {
		if n := slices.Index(order, a.Kind) - slices.Index(order, b.Kind); n != 0 {
			return n
		}
		return strings.Compare(a.Metadata.Name, b.Metadata.Name)
	})
	return d.out, d.err
}

// note says something once.
func (d *draft) note(what, name, key, format string, args ...any) {
	n := Note{what, name, key, fmt.Sprintf(format, args...)}
	if !slices.Contains(d.out.Notes, n) {
		d.out.Notes = append(d.out.Notes, n)
	}
}

func (d *draft) say(s types.ServiceConfig, key, format string, args ...any) {
	d.note(d.o.What, s.Name, key, format, args...)
}

func (d *draft) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}

// name is that of an object made of something, which no other may have.
func (d *draft) name(kind, text, from string) string {
	name := label(text)
	if name == "" {
		d.fail("%s: no object of Kubernetes can be called %q", from, text)
	}
	if other, taken := d.names[kind+"/"+name]; taken && other != from {
		d.fail("%s and %s would both be the %s %q: rename one", other, from, kind, name)
	}
	d.names[kind+"/"+name] = from
	return name
}

func (d *draft) add(o Object) { d.out.Objects = append(d.out.Objects, o) }

func (d *draft) of(s types.ServiceConfig) string { return fmt.Sprintf("%s %q", d.o.What, s.Name) }

// labels are those by which a unit's pods are found.
func (d *draft) labels(s types.ServiceConfig) map[string]string {
	all := map[string]string{"app.kubernetes.io/name": label(s.Name)}
	if project := label(d.p.Name); project != "" {
		all["app.kubernetes.io/part-of"] = project
	}
	return all
}

// workload adds the object that makes a unit's pods.
func (d *draft) workload(u unit) {
	name := d.name("pod", u.Name, d.of(u.ServiceConfig))
	if name != u.Name {
		d.say(u.ServiceConfig, "name", "it is called %s: so do others find it", name)
	}
	if said := u.Labels["kompose.controller.type"]; said != "" && d.o.Kind == "" && !strings.EqualFold(said, u.kind) {
		d.say(u.ServiceConfig, "labels", "kompose.controller.type: %s: it is a %s", said, u.kind)
	}
	t := d.template(u)
	o := Object{APIVersion: "apps/v1", Kind: u.kind, Metadata: Meta{Name: name, Labels: t.Metadata.Labels, Annotations: d.deployLabels(u)}}
	for _, s := range u.all() {
		o.of = append(o.of, s.Name)
	}
	w := workloadSpec{Template: t}
	switch u.kind {
	case Pod:
		o.APIVersion, o.Metadata, o.Spec = "v1", Meta{Name: name, Labels: t.Metadata.Labels, Annotations: t.Metadata.Annotations}, t.Spec
		d.add(o)
		return
	case Job:
		o.APIVersion = "batch/v1"
		d.setJob(&w, u)
	case DaemonSet:
		w.Selector = &selector{d.labels(u.ServiceConfig)}
		d.sayEnds(u)
	default:
		w.Selector = &selector{d.labels(u.ServiceConfig)}
		d.setDeployment(&w, u)
	}
	o.Spec = w
	d.add(o)
}

func (d *draft) setJob(w *workloadSpec, u unit) {
	policy := convert.RestartPolicy(u.ServiceConfig)
	w.Template.Spec.RestartPolicy = "Never"
	tries := 0
	w.BackoffLimit = &tries
	if policy.Name == moby.RestartPolicyOnFailure {
		w.Template.Spec.RestartPolicy = "OnFailure"
		if w.BackoffLimit = nil; policy.MaximumRetryCount > 0 {
			w.BackoffLimit = &policy.MaximumRetryCount
		}
	}
	if n := u.GetScale(); n != 1 {
		w.Completions, w.Parallelism = &n, &n
	}
	if u.Deploy != nil && u.Deploy.Mode == "global-job" {
		d.say(u.ServiceConfig, "deploy.mode", "a Job runs once, not on every node")
	}
	if policy.Name == moby.RestartPolicyAlways || policy.Name == moby.RestartPolicyUnlessStopped {
		d.say(u.ServiceConfig, "restart", "a Job does not start again after it has succeeded")
	}
}

func (d *draft) setDeployment(w *workloadSpec, u unit) {
	n := u.GetScale()
	if d.o.Replicas != nil {
		n = *d.o.Replicas
	}
	w.Replicas = &n
	c := (*types.UpdateConfig)(nil)
	if u.Deploy != nil {
		c = u.Deploy.UpdateConfig
	}
	switch {
	case slices.ContainsFunc(w.Template.Spec.Volumes, func(v volume) bool { return v.Claim != nil && !d.shared(v.Claim.Name) }):
		// A volume that one pod has is not there for its successor before it is gone.
		w.Strategy = &strategy{Type: "Recreate"}
		if c != nil {
			d.say(u.ServiceConfig, "deploy.update_config", "a pod with a volume of its own is stopped before the next one starts")
		}
	case c != nil:
		step := 1
		if c.Parallelism != nil {
			step = int(*c.Parallelism)
		}
		if step == 0 {
			step = max(n, 1) // all at once
		}
		w.MinReadySeconds = seconds(c.Delay)
		w.Strategy = &strategy{"RollingUpdate", &rolling{MaxUnavailable: step}}
		if c.Order == "start-first" {
			w.Strategy.RollingUpdate = &rolling{MaxSurge: step}
		}
	}
	d.sayEnds(u)
}

func (d *draft) sayEnds(u unit) {
	if d.ends(u.ServiceConfig) {
		d.say(u.ServiceConfig, "restart", "a %s starts its pods again however they end", u.kind)
	}
}

// deployLabels are the annotations of what makes the pods.
func (d *draft) deployLabels(u unit) map[string]string {
	if u.Deploy == nil {
		return nil
	}
	return d.annotations(d.o.What, u.Name, "deploy.labels", u.Deploy.Labels)
}
