// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"coracle/pkg/dockerfile/parse"
)

// Target is a stage as it is offered to be built, as BuildKit's targets call has it.
type Target struct {
	Name        string // empty: it can be built only as the default
	Default     bool
	Description string // of the comment above it: "# NAME DESCRIPTION"
}

// Targets are the stages that can be asked for: those that have a name, and the
// last one.
func Targets(f *parse.File) []Target {
	var list []Target
	for i, s := range f.Stages {
		last := i == len(f.Stages)-1
		if s.Name != "" && f.Stage(s.Name, len(f.Stages)) == i || last {
			list = append(list, Target{s.Name, last, s.DocComment})
		}
	}
	return list
}

// Outline is what can be given to a build of one target, as BuildKit's outline
// call has it.
type Outline struct {
	Target  Target
	Args    []Arg // in the order of the Dockerfile
	Secrets []SecretUse
}

// Arg is a build argument, with the value that it has.
type Arg struct{ Name, Value, Description string }

// SecretUse is a secret that RUNs ask for.
type SecretUse struct {
	ID       string
	Required bool // one of them fails without
}

// Outline tells of the graph's build.
func (g *Graph) Outline() Outline {
	o := Outline{Target: g.target, Args: g.args}
	for _, v := range g.Vertices {
		run, ok := v.Op.(Run)
		if !ok {
			continue
		}
		for _, m := range run.Mounts {
			if m.Type != instructions.MountTypeSecret {
				continue
			}
			id := m.SecretID()
			i := slices.IndexFunc(o.Secrets, func(s SecretUse) bool { return s.ID == id })
			if i < 0 {
				i, o.Secrets = len(o.Secrets), append(o.Secrets, SecretUse{ID: id})
			}
			o.Secrets[i].Required = o.Secrets[i].Required || m.Required
		}
	}
	return o
}

// offer notes a build argument; the last word about it counts.
func (m *maker) offer(a instructions.KeyValuePairOptional, value *string) {
	arg := Arg{Name: a.Key, Description: a.DocComment}
	if value != nil {
		arg.Value = *value
	}
	i := slices.IndexFunc(m.graph.args, func(o Arg) bool { return o.Name == a.Key })
	if i < 0 {
		i, m.graph.args = len(m.graph.args), append(m.graph.args, Arg{})
	}
	arg.Description = cmp.Or(arg.Description, m.graph.args[i].Description, m.globalComment(a.Key))
	m.graph.args[i] = arg
}

// globalComment is what the Dockerfile says of an argument before the first FROM.
func (m *maker) globalComment(key string) string {
	for _, cmd := range m.in.File.Meta {
		for _, a := range cmd.Args {
			if a.Key == key && a.DocComment != "" {
				return a.DocComment
			}
		}
	}
	return ""
}

// offerGlobal notes the arguments before the first FROM that say what the
// target's stages are built on.
func (m *maker) offerGlobal() {
	if len(m.in.File.Meta) == 0 {
		return
	}
	used := map[string]bool{}
	use := func(word string) {
		res, err := shell.NewLex(m.in.File.Escape).ProcessWordWithMatches(word, m.meta)
		if err != nil { // the plan has said so
			return
		}
		for k := range res.Matched {
			used[k] = true
		}
	}
	for i := range m.stages {
		use(m.in.File.Stages[i].BaseName)
		use(m.in.File.Stages[i].Platform)
	}
	for _, cmd := range slices.Backward(m.in.File.Meta) {
		for _, a := range slices.Backward(cmd.Args) {
			if used[a.Key] && a.Value != nil {
				use(*a.Value)
			}
		}
	}
	for _, cmd := range m.in.File.Meta {
		for _, a := range cmd.Args {
			if v := m.meta[a.Key]; used[a.Key] {
				m.offer(a, &v)
			}
		}
	}
}
