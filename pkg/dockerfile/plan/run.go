// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"coracle/pkg/oci/spec"
)

// Run is a RUN.
type Run struct {
	Args    []string
	Script  string   // a here-document that is a program of its own, Args[0]
	Env     []string // without what secrets add
	Dir     string
	User    string
	Network string
	Mounts  []Mount // in the order of the Dockerfile
}

// Mount is one --mount.
type Mount struct {
	*instructions.Mount
	At      string  // the target, absolute
	Layers  *Vertex // whose files it shows, or nil
	Context bool    // it shows files of the context
}

// SecretID is the name that --secret id= gives to what a mount shows.
func (m Mount) SecretID() string {
	switch {
	case m.Source != "":
		return m.Source
	case m.CacheID != "":
		return m.CacheID
	}
	return path.Base(m.Target)
}

// Key is made of the command, what it runs in, and what its mounts show; not of
// what is in a cache or a secret, nor of how the network is reached.
func (r Run) Key(f Facts) []string {
	var mounts strings.Builder
	for i, x := range r.Mounts {
		fmt.Fprintf(&mounts, "%s %q %q %t\n", x.Type, x.At, x.Source, x.ReadOnly)
		switch {
		case x.From != "":
			fmt.Fprintf(&mounts, "from %s\n", f.Layers(x.Layers))
		case x.Context:
			fmt.Fprintf(&mounts, "context %s\n", f.Files[i])
		}
	}
	key := []string{"run", r.User, r.Dir, r.Network, mounts.String(), r.Script}
	return append(append(append(key, r.Args...), "env"), withoutProxies(r.Env)...)
}

func (r Run) String() string {
	text := fmt.Sprintf("run %q in %q env %q", r.Args, r.Dir, r.Env)
	if r.User != "" {
		text += fmt.Sprintf(" user %q", r.User)
	}
	if r.Network != "" {
		text += " network " + r.Network
	}
	for _, x := range r.Mounts {
		text += fmt.Sprintf(" mount %s %q", x.Type, x.At)
	}
	return text
}

// run is RUN.
func (m *maker) run(s *stage, c *instructions.RunCommand) error {
	cmd, err := s.command(c)
	if err != nil {
		return err
	}
	shown := s.args.shown(c.String(), m.in.File.Escape) + cmd.note
	if len(cmd.args) == 0 {
		return errors.New("RUN requires a command")
	}
	if sec := instructions.GetSecurity(c); sec != instructions.SecuritySandbox {
		return fmt.Errorf("RUN --security=%s is not allowed", sec)
	}
	if len(instructions.GetDevices(c)) > 0 {
		return errors.New("RUN --device is not supported")
	}
	network := m.in.Network
	if n := instructions.GetNetwork(c); n != instructions.NetworkDefault {
		network = n
	}
	conf := s.image.Config
	op := Run{Args: cmd.args, Script: cmd.script, Env: m.runEnv(s), Dir: conf.WorkingDir, User: conf.User, Network: network}
	var inputs []*Vertex
	for _, im := range instructions.GetMounts(c) {
		x, skipped, err := m.mount(s, im, c)
		if err != nil {
			return err
		} else if skipped {
			continue
		}
		if x.Layers != nil {
			inputs = append(inputs, x.Layers)
		}
		op.Mounts = append(op.Mounts, x)
	}
	m.step(s, shown, op, c.Location(), inputs...)
	text := "RUN "
	if vals := s.args.values(); len(vals) > 0 {
		text += fmt.Sprintf("|%d %s ", len(vals), strings.Join(vals, " "))
	}
	s.addHistory(text+strings.Join(cmd.args, " ")+" # buildkit", false)
	return nil
}

// mount plans one --mount. An SSH agent that need not be there is left out: it
// is not.
func (m *maker) mount(s *stage, im *instructions.Mount, c *instructions.RunCommand) (x Mount, skipped bool, err error) {
	x = Mount{Mount: im, At: absolute(s.image.Config.WorkingDir, im.Target)}
	switch {
	case x.Type == instructions.MountTypeSSH && x.Required:
		return x, false, errors.New("RUN --mount=type=ssh,required is not supported: there is no SSH agent in a build")
	case x.Type == instructions.MountTypeSSH:
		m.warn("RUN --mount=type=ssh has no effect: there is no SSH agent in a build")
		return x, true, nil
	case x.At == "/" && x.Type != instructions.MountTypeSecret:
		return x, false, fmt.Errorf("invalid mount target %q", x.At)
	case x.From != "":
		x.Layers, err = m.source(s, x.From, c.Location())
	case x.Type == instructions.MountTypeBind && m.in.NoContext: // an empty one
		x.Layers = m.once(Vertex{Op: Scratch{}})
	case x.Type == instructions.MountTypeBind:
		x.Context = true
	}
	return x, false, err
}

// warn keeps a warning for the end.
func (m *maker) warn(text string) {
	if !slices.Contains(m.graph.Warnings, text) {
		m.graph.Warnings = append(m.graph.Warnings, text)
	}
}

// runEnv is the environment of a RUN: the image's, and the arguments that are
// declared.
func (m *maker) runEnv(s *stage) []string {
	var env []string
	for _, k := range proxyArgs {
		v, ok := m.in.BuildArgs[k]
		if !ok { // programs read one or the other
			v, ok = m.in.BuildArgs[otherCase(k)]
		}
		if ok {
			env = spec.MergeEnv(env, k+"="+v)
		}
	}
	for _, e := range s.image.Config.Env {
		k, _, _ := strings.Cut(e, "=")
		env = spec.MergeEnv(env, k+"="+s.args.vars[k])
	}
	for _, k := range s.args.args {
		if v, ok := s.args.vars[k]; ok {
			env = spec.MergeEnv(env, k+"="+v)
		}
	}
	return env
}

func otherCase(name string) string {
	if upper := strings.ToUpper(name); upper != name {
		return upper
	}
	return strings.ToLower(name)
}

func withoutProxies(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(e string) bool {
		k, _, _ := strings.Cut(e, "=")
		return slices.Contains(proxyArgs, k)
	})
}

// command is what a RUN executes.
type command struct {
	args   []string
	note   string // for the progress: what the here-document begins with
	script string // a here-document that is a program of its own, args[0]
}

// scriptDir is where a here-document with an interpreter of its own is put.
const scriptDir = "/dev/pipes"

// command gives a here-document to the shell; one that begins with #! is a
// program.
func (s *stage) command(c *instructions.RunCommand) (command, error) {
	if len(c.Files) == 0 {
		if !c.PrependShell {
			return command{args: c.CmdLine}, nil
		}
		return command{args: s.inShell(strings.Join(c.CmdLine, " "))}, nil
	}
	if len(c.CmdLine) != 1 || !c.PrependShell {
		return command{}, fmt.Errorf("parsing produced an invalid run command: %v", c.CmdLine)
	}
	doc, err := parser.ParseHeredoc(c.CmdLine[0])
	if err != nil || doc == nil {
		text := c.CmdLine[0]
		for _, f := range c.Files {
			text += "\n" + f.Data + f.Name
		}
		return command{args: s.inShell(text)}, nil
	}
	f := c.Files[0]
	data := f.Data
	if f.Chomp {
		data = parser.ChompHeredocContent(data)
	}
	cmd := command{args: s.inShell(data), note: " (" + firstLine(f.Data) + ")"}
	if strings.HasPrefix(data, "#!") {
		cmd.script, cmd.args = data, []string{path.Join(scriptDir, path.Base(f.Name))}
	}
	return cmd, nil
}

func (s *stage) inShell(text string) []string { return append(slices.Clone(s.shell()), text) }

func firstLine(doc string) string {
	first, _, more := strings.Cut(strings.TrimSpace(doc), "\n")
	if more {
		first += "..."
	}
	return first
}
