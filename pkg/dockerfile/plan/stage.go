// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/dockerfile/parse"
	"coracle/pkg/oci/platform"
	"coracle/pkg/oci/spec"
)

// Make plans a build whose images are known. It replaces the variables in the
// instructions of in.File, so that a file is planned once. Mistakes come with
// their place.
func Make(in *Input) (*Graph, error) {
	n, err := newNeeds(in)
	if err != nil {
		return nil, err
	}
	m := &maker{needs: n, done: map[int]*stage{}, shared: map[string]*Vertex{}}
	if m.epoch, err = m.sourceDateEpoch(); err != nil {
		return nil, err
	}
	m.offerGlobal()
	for i := range in.File.Meta {
		m.graph.Instructions = append(m.graph.Instructions, Instruction{Text: in.File.Meta[i].String()})
	}
	for _, i := range slices.Sorted(maps.Keys(n.stages)) {
		if m.done[i], err = m.stage(i); err != nil {
			return nil, err
		}
	}
	s := m.done[n.target]
	m.graph.Epoch = m.epoch
	src := in.File.Stages[n.target]
	m.graph.target = Target{src.Name, n.target == len(in.File.Stages)-1, src.DocComment}
	m.graph.Warnings = append(m.graph.Warnings, m.unused()...)
	m.graph.Result = Result{Top: s.top, Image: s.image, History: s.history, Below: s.below}
	return &m.graph, nil
}

// maker makes a graph.
type maker struct {
	*needs
	graph  Graph
	epoch  *time.Time
	done   map[int]*stage
	shared map[string]*Vertex // what several vertices read, by what it is
}

// stage is a stage while it is planned, and after.
type stage struct {
	index    int
	name     string // for the progress: "build", "stage-1", or empty with one stage
	platform string // what was asked for
	image    Image
	top      *Vertex
	args     *argScope
	step     int
	steps    int
	history  []ocispec.History
	below    int // entries of the history that are the base image's
	last     int // the number, from 1, of its last instruction
	sawCmd   bool
	noCache  bool // --no-cache-filter names it
}

// stage plans one stage. Those that it reads have been planned.
func (m *maker) stage(i int) (*stage, error) {
	file := m.in.File
	src := file.Stages[i]
	s := &stage{index: i, args: newArgScope()}
	s.noCache = src.Name != "" && slices.ContainsFunc(m.in.NoCacheFilter, func(n string) bool { return strings.EqualFold(n, src.Name) })
	if len(file.Stages) > 1 {
		s.name = file.NameOf(i)
	}
	var err error
	if s.platform, err = m.platformOf(i); err != nil {
		return nil, parser.WithLocation(err, src.Location)
	}
	if c, ok := m.in.named(src.Name); ok { // its instructions do not count
		err := m.fromContext(s, src.Name, c, src.Location)
		m.instruction(s, Instruction{Text: src.SourceCode, Vertex: s.top})
		return s, err
	}
	s.steps = countSteps(src.Commands)
	if err := m.from(s, src); err != nil {
		return nil, parser.WithLocation(err, src.Location)
	}
	for _, cmd := range src.Commands {
		if err := m.carryOut(s, cmd, false); err != nil {
			return nil, parser.WithLocation(err, cmd.Location())
		}
	}
	return s, nil
}

// instruction notes an instruction of a stage, with the vertex that does its work, if
// one does of which anybody is told.
func (m *maker) instruction(s *stage, in Instruction) {
	if in.Vertex != nil && in.Vertex.Title == "" {
		in.Vertex = nil
	}
	m.graph.Instructions = append(m.graph.Instructions, in)
	s.last = len(m.graph.Instructions)
}

// carryOut plans one instruction, and notes it.
func (m *maker) carryOut(s *stage, cmd instructions.Command, trigger bool) error {
	below := s.top
	if err := m.command(s, cmd); err != nil {
		return err
	}
	in := Instruction{Text: fmt.Sprint(cmd), Trigger: trigger, On: s.last}
	if s.top != below {
		in.Vertex = s.top
	}
	m.instruction(s, in)
	return nil
}

// countSteps counts the instructions that give a layer.
func countSteps(cmds []instructions.Command) int {
	n := 0
	for _, c := range cmds {
		switch c.(type) {
		case *instructions.RunCommand, *instructions.CopyCommand, *instructions.AddCommand, *instructions.WorkdirCommand:
			n++
		}
	}
	return n
}

// title is the heading of a step: "[build 2/4] RUN make".
func (s *stage) title(text string) string {
	s.step++
	label := fmt.Sprintf("%d/%d", s.step, s.steps)
	if s.name != "" {
		label = s.name + " " + label
	}
	return "[" + label + "] " + text
}

// add puts a vertex into the graph.
func (m *maker) add(v Vertex) *Vertex {
	m.graph.Vertices = append(m.graph.Vertices, &v)
	return &v
}

// once puts a vertex into the graph that all share who read the same.
func (m *maker) once(v Vertex) *Vertex {
	name := v.Op.String()
	if m.shared[name] == nil {
		m.shared[name] = m.add(v)
	}
	return m.shared[name]
}

// step puts an instruction's vertex on top of the stage.
func (m *maker) step(s *stage, shown string, op Op, where []parser.Range, inputs ...*Vertex) {
	s.top = m.add(Vertex{Title: s.title(shown), Parent: s.top, Inputs: inputs, Op: op, NoCache: s.noCache, Where: where})
}

// from puts the base image, or the stage, under the new stage.
func (m *maker) from(s *stage, src instructions.Stage) error {
	name, err := m.baseName(src)
	if err != nil {
		return err
	}
	base, err := m.baseOf(s.index)
	if err != nil {
		return err
	}
	triggers, err := m.parseTriggers(base, s)
	if err != nil {
		return err
	}
	s.steps += countSteps(triggers)
	if c, ok := m.in.named(name); ok {
		err = m.fromContext(s, name, c, src.Location)
	} else if base.stage >= 0 {
		s.inherit(m.done[base.stage])
	} else if name == "scratch" {
		s.empty()
		s.top = m.once(Vertex{Op: Scratch{}})
	} else {
		err = m.fromImage(s, name, src.Location)
	}
	if err != nil {
		return err
	}
	if _, ok := s.args.vars["PATH"]; !ok {
		s.image.Config.Env = spec.MergeEnv(s.image.Config.Env, "PATH="+spec.DefaultPath)
		s.args.vars["PATH"] = spec.DefaultPath
	}
	s.image.Config.OnBuild = nil
	in := Instruction{Text: src.SourceCode, Vertex: s.top}
	if base.stage >= 0 { // whose vertex that is
		in.Vertex, in.On = nil, m.done[base.stage].last
	}
	m.instruction(s, in)
	for _, cmd := range triggers {
		if err := m.carryOut(s, cmd, true); err != nil {
			return err
		}
	}
	return nil
}

// parseTriggers reads what the base says is to be done first in an image that
// is built on it.
func (m *maker) parseTriggers(b base, s *stage) (cmds []instructions.Command, err error) {
	list, err := m.triggersOf(b, s.platform)
	if err != nil {
		return nil, err
	}
	for _, text := range list {
		cmd, err := parse.Trigger(text)
		if err != nil {
			return nil, err
		}
		cmds = append(cmds, cmd)
	}
	return cmds, nil
}

// empty begins with nothing.
func (s *stage) empty() {
	p, _ := platform.Parse(s.platform) // it has been read before
	s.image.Config.WorkingDir = "/"
	s.image.OS, s.image.Architecture, s.image.Variant = p.OS, p.Architecture, p.Variant
}

// fromContext begins with what --build-context gives for a name.
func (m *maker) fromContext(s *stage, name string, c Context, where []parser.Range) error {
	if c.Image != "" {
		return m.fromImage(s, c.Image, where)
	}
	s.empty()
	s.top = m.dir(name, c, where)
	s.addHistory("[context "+name+"] load from client", false)
	return nil
}

// dir has the files of a directory with a name.
func (m *maker) dir(name string, c Context, where []parser.Range) *Vertex {
	name = strings.ToLower(name)
	return m.once(Vertex{Title: "[context " + name + "] load from client", Op: FromDir{name, c.Dir, c.Sent}, Where: where})
}

func (m *maker) fromImage(s *stage, name string, where []parser.Range) error {
	ref := Ref{name, s.platform}
	found, ok := m.in.Images[ref.Key()]
	if !ok {
		return fmt.Errorf("%s: image was not looked up", name)
	}
	s.steps++
	s.image = found.Image
	s.history, s.below = slices.Clone(s.image.History), len(s.image.History)
	s.args.adopt(s.image.Config.Env)
	s.top = m.add(Vertex{Title: s.title("FROM " + shownName(name, found.Digests)), Op: Base{ref}, Where: where})
	return nil
}

// inherit begins with another stage: its files, its settings, its arguments.
func (s *stage) inherit(base *stage) {
	s.image = base.image
	s.image.Config.Env = slices.Clone(base.image.Config.Env)
	s.image.Config.Labels = maps.Clone(base.image.Config.Labels)
	s.image.Config.ExposedPorts = maps.Clone(base.image.Config.ExposedPorts)
	s.image.Config.Volumes = maps.Clone(base.image.Config.Volumes)
	s.top, s.history, s.below = base.top, slices.Clone(base.history), base.below
	s.args.inherit(base.args)
}

// addHistory tells of an instruction.
func (s *stage) addHistory(createdBy string, empty bool) {
	s.history = append(s.history, ocispec.History{CreatedBy: parse.WithoutCredentials(createdBy), Comment: "buildkit.dockerfile.v0", EmptyLayer: empty})
}

// command plans one instruction.
func (m *maker) command(s *stage, cmd instructions.Command) error {
	escape := m.in.File.Escape
	if ex, ok := cmd.(instructions.SupportsSingleWordExpansion); ok && !isArg(cmd) {
		if err := ex.Expand(s.args.expand(escape)); err != nil {
			return err
		}
	}
	if ex, ok := cmd.(instructions.SupportsSingleWordExpansionRaw); ok {
		if err := ex.ExpandRaw(s.args.expandRaw(escape)); err != nil {
			return err
		}
	}
	switch c := cmd.(type) {
	case *instructions.RunCommand:
		return m.run(s, c)
	case *instructions.CopyCommand:
		return m.copy(s, copyOf(c), c.From, c)
	case *instructions.AddCommand:
		return m.copy(s, addOf(c), "", c)
	case *instructions.WorkdirCommand:
		m.workdir(s, c)
		return nil
	case *instructions.ArgCommand:
		return m.arg(s, c)
	}
	return configure(s, cmd, escape)
}

// isArg reports whether an instruction is an ARG, whose words are expanded only
// if they are used.
func isArg(cmd instructions.Command) bool {
	_, ok := cmd.(*instructions.ArgCommand)
	return ok
}

// source is what --from means: a stage, an image, or a directory with a name.
func (m *maker) source(s *stage, from string, where []parser.Range) (*Vertex, error) {
	file := m.in.File
	if hasVariable(from) {
		return nil, fmt.Errorf("variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround")
	}
	if c, ok := m.in.named(from); ok && c.Image == "" {
		return m.dir(from, c, where), nil
	} else if ok {
		return m.once(Vertex{Op: Base{Ref{c.Image, s.platform}}, Where: where}), nil
	}
	if i := file.StageOrNumber(from, s.index); i >= 0 {
		return m.done[i].top, nil
	}
	switch {
	case from == "scratch":
		return m.once(Vertex{Op: Scratch{}}), nil
	case file.StageOrNumber(from, len(file.Stages)) >= 0:
		return nil, fmt.Errorf("cannot copy from stage %q, it needs to be defined before current stage %q", from, file.NameOf(s.index))
	}
	if n, err := strconv.Atoi(from); err == nil {
		return nil, fmt.Errorf("invalid stage index %d", n)
	}
	return m.once(Vertex{Op: Base{Ref{from, s.platform}}, Where: where}), nil
}
