// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// Starts is a line for each container that up starts once a plan is carried out, with
// what it waits for.
func (p Plan) Starts(project *types.Project) (string, error) {
	order, err := Order(project)
	if err != nil {
		return "", err
	}
	all := p.left()
	var b strings.Builder
	for _, name := range order {
		before := waits(project, name, all)
		for _, c := range all[name] {
			if c.runs {
				continue
			}
			fmt.Fprintf(&b, "start %s", c.name)
			if len(before) > 0 {
				fmt.Fprintf(&b, " when %s", strings.Join(before, ", "))
			}
			b.WriteByte('\n')
		}
	}
	return b.String(), nil
}

// planned is a container as a plan leaves it.
type planned struct {
	name string
	runs bool
}

// left are the containers that a plan leaves, by their services.
func (p Plan) left() map[string][]planned {
	all, stopped := map[string][]planned{}, map[string]bool{}
	for _, s := range p.Steps {
		stopped[s.Name] = stopped[s.Name] || s.Do == Stop
	}
	for _, c := range p.Kept {
		all[ServiceOf(c)] = append(all[ServiceOf(c)], planned{c.Name, c.State.IsRunning() && !stopped[c.Name]})
	}
	for _, s := range p.Steps {
		if s.Do == Create || s.Do == Recreate {
			all[s.Service] = append(all[s.Service], planned{name: s.Name})
		}
	}
	return all
}

// waits says what has to have happened before containers of a service are started.
func waits(p *types.Project, service string, all map[string][]planned) (list []string) {
	deps := p.Services[service].DependsOn
	for _, dep := range slices.Sorted(keys(deps)) {
		for _, c := range all[dep] {
			switch {
			case deps[dep].Condition == types.ServiceConditionHealthy:
				list = append(list, c.name+" is healthy")
			case deps[dep].Condition == types.ServiceConditionCompletedSuccessfully:
				list = append(list, c.name+" has ended with 0")
			case !c.runs:
				list = append(list, c.name+" is started")
			}
		}
	}
	return list
}
