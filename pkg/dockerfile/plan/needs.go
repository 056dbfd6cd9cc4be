// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"maps"
	"slices"
	"strconv"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"coracle/pkg/dockerfile/parse"
)

// Needs finds the images that the target is made of, whether in.Images has
// them or not. The triggers of one may ask for more: call it again with what was
// found until nothing is new.
func Needs(in *Input) ([]Need, error) {
	n, err := newNeeds(in)
	if err != nil {
		return nil, err
	}
	var list []Need
	for _, key := range slices.Sorted(maps.Keys(n.images)) {
		list = append(list, n.images[key])
	}
	return list, nil
}

// needs is what a target is made of. It is known from the text and the images'
// triggers: FROM knows only the ARGs before it, and --from takes no variables.
type needs struct {
	*scope
	target   int
	stages   map[int]bool
	images   map[string]Need // by Ref.Key
	platform map[int]string  // of stages
}

func newNeeds(in *Input) (*needs, error) {
	s, err := newScope(in)
	if err != nil {
		return nil, err
	}
	n := &needs{scope: s, images: map[string]Need{}, platform: map[int]string{}}
	if n.target, err = in.File.Target(in.Target); err != nil {
		return nil, err
	}
	n.stages = map[int]bool{n.target: true}
	for i := n.target; i >= 0; i-- {
		if n.stages[i] {
			if err := n.stage(i); err != nil {
				return nil, parser.WithLocation(err, in.File.Stages[i].Location)
			}
		}
	}
	return n, nil
}

// stage notes what a stage needs; its own stages come before it.
func (n *needs) stage(i int) error {
	src := n.in.File.Stages[i]
	platform, err := n.platformOf(i)
	if err != nil {
		return err
	}
	if c, ok := n.in.named(src.Name); ok { // its instructions do not count
		n.context(c, platform, src.Location)
		return nil
	}
	base, err := n.baseOf(i)
	if err != nil {
		return err
	}
	if base.stage >= 0 {
		n.stages[base.stage] = true
	} else {
		n.image(base.image, platform, src.Location)
	}
	cmds := slices.Clone(src.Commands)
	triggers, err := n.triggersOf(base, platform)
	if err != nil {
		return err
	}
	for _, text := range triggers {
		if cmd, err := parse.Trigger(text); err == nil { // the plan says what is wrong
			cmds = append(cmds, cmd)
		}
	}
	for _, cmd := range cmds {
		where := cmd.Location()
		if !slices.ContainsFunc(src.Commands, func(c instructions.Command) bool { return c == cmd }) {
			where = src.Location
		}
		for _, from := range parse.Sources(cmd) {
			n.source(i, from, platform, where)
		}
	}
	return nil
}

// source notes a name of --from.
func (n *needs) source(i int, from, platform string, where []parser.Range) {
	if c, ok := n.in.named(from); ok {
		n.context(c, platform, where)
	} else if j := n.in.File.StageOrNumber(from, i); j >= 0 {
		n.stages[j] = true
	} else if isImage(n.in.File, from) {
		n.image(from, platform, where)
	}
}

func (n *needs) context(c Context, platform string, where []parser.Range) {
	if c.Image != "" {
		n.image(c.Image, platform, where)
	}
}

func (n *needs) image(name, platform string, where []parser.Range) {
	if name == "" || name == "scratch" {
		return
	}
	ref := Ref{name, platform}
	if _, ok := n.images[ref.Key()]; !ok {
		n.images[ref.Key()] = Need{ref, where}
	}
}

// base is what FROM means: a stage, or an image, or a directory.
type base struct {
	stage int // or -1
	image string
}

func (n *needs) baseOf(i int) (base, error) {
	name, err := n.baseName(n.in.File.Stages[i])
	if err != nil {
		return base{-1, ""}, err
	}
	if c, ok := n.in.named(name); ok {
		return base{-1, c.Image}, nil
	}
	if j := n.in.File.Stage(name, i); j >= 0 {
		return base{j, ""}, nil
	}
	return base{-1, name}, nil
}

// triggersOf are the ONBUILDs of a base.
func (n *needs) triggersOf(b base, platform string) ([]string, error) {
	if b.stage < 0 {
		return n.in.Images[Ref{b.image, platform}.Key()].Config.OnBuild, nil
	}
	src := n.in.File.Stages[b.stage]
	if c, ok := n.in.named(src.Name); ok {
		of, err := n.platformOf(b.stage)
		return n.in.Images[Ref{c.Image, of}.Key()].Config.OnBuild, err
	}
	var list []string
	for _, cmd := range src.Commands {
		if on, ok := cmd.(*instructions.OnbuildCommand); ok {
			list = append(list, on.Expression)
		}
	}
	return list, nil
}

// platformOf is a stage's: that of the stage below it, or what FROM says.
func (n *needs) platformOf(i int) (string, error) {
	if p, ok := n.platform[i]; ok {
		return p, nil
	}
	src := n.in.File.Stages[i]
	p, err := n.stagePlatform(src)
	if err != nil {
		return "", err
	}
	if _, replaced := n.in.named(src.Name); !replaced {
		b, err := n.baseOf(i)
		if err != nil {
			return "", err
		}
		if b.stage >= 0 {
			if p, err = n.platformOf(b.stage); err != nil {
				return "", err
			}
		}
	}
	n.platform[i] = p
	return p, nil
}

// isImage reports whether a name of --from that is no earlier stage can mean an
// image. A later stage, a number or a variable is a mistake, of which the plan
// tells.
func isImage(f *parse.File, from string) bool {
	if from == "scratch" || f.StageOrNumber(from, len(f.Stages)) >= 0 || hasVariable(from) {
		return false
	}
	_, err := strconv.Atoi(from)
	return err != nil
}
