// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/compose/convert"
	"coracle/pkg/container"
	"coracle/pkg/state"
)

// Verb is what a step does.
type Verb string

// The verbs.
const (
	MakeNetwork   Verb = "create network"
	RemoveNetwork Verb = "remove network"
	MakeVolume    Verb = "create volume"
	Create        Verb = "create"
	Recreate      Verb = "recreate"
	Stop          Verb = "stop"
	Remove        Verb = "remove"
)

// Step is one thing to do.
type Step struct {
	Do      Verb
	Name    string               // of what it is about
	Key     string               // a network or a volume in the file
	Service string               // whose container it is
	Number  int                  // which one
	Old     *container.Container // that is replaced, stopped or removed
	Carry   map[string]string    // its volumes without a name that live on
	Why     string
	After   []int // the steps before it
}

// Plan is what has to be done so that there is what is wanted; started is nothing of
// it yet.
type Plan struct {
	Steps   []Step
	Orphans []*container.Container // of services that are in the file no more
	Kept    []*container.Container // as they are to be already
}

// String is a line for each step.
func (p Plan) String() string {
	var b strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "%s %s", s.Do, s.Name)
		if s.Why != "" {
			fmt.Fprintf(&b, " (%s)", s.Why)
		}
		if len(s.After) > 0 {
			var names []string
			for _, i := range s.After {
				if n := p.Steps[i].Name; !slices.Contains(names, n) { // pid: and ipc: of one service
					names = append(names, n)
				}
			}
			fmt.Fprintf(&b, " after %s", strings.Join(names, ", "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// When says when a container is replaced by a new one.
type When string

// The policies; an empty one is WhenChanged.
const (
	WhenChanged When = "diverged"
	Always      When = "force"
	Never       When = "never"
)

// ImageFacts are what a plan needs to know of a service's image.
type ImageFacts struct {
	ID      string   // sha256:…
	Volumes []string // that the image asks for
}

// Choices are what the command says.
type Choices struct {
	Services      []string // those that were named; none: all
	Recreate      When     // of those
	Dependencies  When     // of the others
	RemoveOrphans bool
	RenewVolumes  bool // volumes without a name are not carried over
	Timeout       *int // seconds for what is stopped; nil: the container's own
	Images        map[string]ImageFacts
	ReadFile      func(string) ([]byte, error)
}

// planner makes a plan.
type planner struct {
	p     *types.Project
	has   Observed
	c     Choices
	plan  Plan
	nets  map[string]int   // the step that makes a network of the file
	vols  map[string]int   // likewise
	made  map[string][]int // the steps that make containers of a service
	stops map[string][]int // the steps that stop containers of a service
	moved map[string]bool  // services whose first container is another one after the plan
}

// Decide compares what is wanted with what there is.
func Decide(p *types.Project, has Observed, c Choices) (Plan, error) {
	pl := &planner{
		p: p, has: has, c: c,
		nets: map[string]int{}, vols: map[string]int{}, made: map[string][]int{}, stops: map[string][]int{}, moved: map[string]bool{},
	}
	order, err := Order(p)
	if err != nil {
		return Plan{}, err
	}
	if err := p.CheckContainerNameUnicity(); err != nil {
		return Plan{}, err
	}
	pl.orphans()
	for _, decide := range []func() error{pl.networks, pl.volumes} {
		if err := decide(); err != nil {
			return Plan{}, err
		}
	}
	for _, name := range order {
		if err := pl.service(p.Services[name]); err != nil {
			return Plan{}, err
		}
	}
	return pl.plan, nil
}

func (pl *planner) add(s Step) int {
	pl.plan.Steps = append(pl.plan.Steps, s)
	return len(pl.plan.Steps) - 1
}

func (pl *planner) orphans() {
	for _, name := range slices.Sorted(keys(pl.has.Services)) {
		_, on := pl.p.Services[name]
		_, off := pl.p.DisabledServices[name]
		if on || off {
			continue
		}
		pl.plan.Orphans = append(pl.plan.Orphans, pl.has.Services[name]...)
	}
	if !pl.c.RemoveOrphans {
		return
	}
	for _, c := range pl.plan.Orphans {
		pl.add(Step{Do: Remove, Name: c.Name, Old: c, Service: ServiceOf(c), Why: "orphan"})
	}
	pl.plan.Orphans = nil
}

func (pl *planner) networks() error {
	for _, key := range slices.Sorted(keys(pl.p.Networks)) {
		n := pl.p.Networks[key]
		have, ok := pl.has.Networks[n.Name]
		switch {
		case bool(n.External) && !ok && !predefined(n.Name):
			return fmt.Errorf("network %s declared as external, but could not be found", n.Name)
		case bool(n.External):
			continue
		case !ok:
			pl.nets[key] = pl.add(Step{Do: MakeNetwork, Name: n.Name, Key: key})
			continue
		}
		if project, ours := have.Labels[convert.LabelProject]; !ours || project != pl.p.Name {
			continue // somebody else's, of which carry warns
		}
		if label := have.Labels[convert.LabelNetwork]; label != key {
			return fmt.Errorf("network %s was found but has incorrect label %s set to %q (expected: %q)", n.Name, convert.LabelNetwork, label, key)
		}
		hash, err := convert.NetworkHash(n)
		if err != nil {
			return err
		}
		if was := have.Labels[convert.LabelHash]; was == "" || was == hash {
			continue
		}
		pl.renewNetwork(key)
	}
	return nil
}

// renewNetwork stops who is on a network, removes it and makes it anew.
func (pl *planner) renewNetwork(key string) {
	n := pl.p.Networks[key]
	var before []int
	for _, name := range slices.Sorted(keys(pl.p.Services)) {
		if _, on := pl.p.Services[name].Networks[key]; on {
			before = append(before, pl.stop(name, "its network changes")...)
		}
	}
	gone := pl.add(Step{Do: RemoveNetwork, Name: n.Name, Key: key, Why: "changed", After: before})
	pl.nets[key] = pl.add(Step{Do: MakeNetwork, Name: n.Name, Key: key, After: []int{gone}})
}

// stop stops the containers of a service that run, once.
func (pl *planner) stop(service, why string) []int {
	if steps, ok := pl.stops[service]; ok {
		return steps
	}
	steps := []int{}
	for _, c := range pl.has.Services[service] {
		if c.State.IsRunning() {
			steps = append(steps, pl.add(Step{Do: Stop, Name: c.Name, Service: service, Number: Number(c), Old: c, Why: why}))
		}
	}
	pl.stops[service] = steps
	return steps
}

func (pl *planner) volumes() error {
	for _, key := range slices.Sorted(keys(pl.p.Volumes)) {
		v := pl.p.Volumes[key]
		_, ok := pl.has.Volumes[v.Name]
		switch {
		case ok:
		case bool(v.External):
			return fmt.Errorf("external volume %q not found", v.Name)
		default:
			pl.vols[key] = pl.add(Step{Do: MakeVolume, Name: v.Name, Key: key})
		}
	}
	return nil
}

// service decides about the containers of a service, those that it needs having been
// decided about.
func (pl *planner) service(s types.ServiceConfig) error {
	wanted := s.GetScale()
	if wanted > 1 && s.ContainerName != "" {
		return fmt.Errorf("WARNING: The %q service is using the custom container name %q. Docker requires each container to have a unique name. Remove the custom name to scale the service", s.Name, s.ContainerName)
	}
	why, err := pl.reasons(s)
	if err != nil {
		return err
	}
	// Those that are right stay, the lowest numbers first.
	have := slices.Clone(pl.has.Services[s.Name])
	slices.SortStableFunc(have, func(a, b *container.Container) int { return boolInt(why[a.ID] != "") - boolInt(why[b.ID] != "") })
	next := 0
	for i, c := range have {
		next = max(next, Number(c))
		switch {
		case i >= wanted:
			pl.add(Step{Do: Remove, Name: c.Name, Service: s.Name, Number: Number(c), Old: c, Why: "scaled down"})
		case why[c.ID] != "":
			pl.recreate(s, c, why[c.ID])
		default:
			pl.plan.Kept = append(pl.plan.Kept, c)
		}
	}
	before := pl.before(s)
	for i := len(have); i < wanted; i++ {
		next++
		pl.make(Step{Do: Create, Name: convert.ContainerName(pl.p, s, next), Service: s.Name, Number: next, After: before})
		if next == 1 || len(have) == 0 {
			pl.moved[s.Name] = true
		}
	}
	return nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (pl *planner) make(s Step) { pl.made[s.Service] = append(pl.made[s.Service], pl.add(s)) }

// before are the steps that have to be done before a container of a service can be
// made.
func (pl *planner) before(s types.ServiceConfig) (list []int) {
	for _, key := range s.NetworksByPriority() {
		if i, ok := pl.nets[key]; ok {
			list = append(list, i)
		}
	}
	for _, v := range s.Volumes {
		if i, ok := pl.vols[v.Source]; ok && v.Type == types.VolumeTypeVolume && !slices.Contains(list, i) {
			list = append(list, i)
		}
	}
	for _, name := range convert.Needs(s) {
		list = append(list, pl.made[name]...)
	}
	if convert.NamesContainer(s) {
		for name := range s.DependsOn {
			list = append(list, pl.made[name]...)
		}
		slices.Sort(list)
		list = slices.Compact(list)
	}
	return list
}

// recreate replaces a container. Who depends on it and is to be restarted with it
// stops first.
func (pl *planner) recreate(s types.ServiceConfig, c *container.Container, why string) {
	before := pl.before(s)
	for _, name := range slices.Sorted(keys(pl.p.Services)) {
		if d, ok := pl.p.Services[name].DependsOn[s.Name]; ok && d.Restart {
			before = append(before, pl.stop(name, "restarts with "+s.Name)...)
		}
	}
	before = append(before, pl.stops[s.Name]...)
	step := Step{Do: Recreate, Name: convert.ContainerName(pl.p, s, Number(c)), Service: s.Name, Number: Number(c), Old: c, Why: why, After: before}
	if !pl.c.RenewVolumes {
		step.Carry = carried(c, s, pl.c.Images[s.Name].Volumes)
	}
	pl.make(step)
	pl.moved[s.Name] = true
}

// carried are a container's volumes without a name that the next one asks for, too.
func carried(c *container.Container, s types.ServiceConfig, image []string) map[string]string {
	all := map[string]string{}
	for _, m := range c.Mounts {
		if m.Type != container.MountVolume || !state.IsID(m.Name) || m.Inherited {
			continue
		}
		target := path.Clean(m.Target)
		asked := slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
			return v.Type == types.VolumeTypeVolume && v.Source == "" && path.Clean(v.Target) == target
		})
		if asked || slices.ContainsFunc(image, func(t string) bool { return path.Clean(t) == target }) {
			all[target] = m.Name
		}
	}
	return all
}

func predefined(name string) bool { return slices.Contains([]string{"bridge", "host", "none"}, name) }
