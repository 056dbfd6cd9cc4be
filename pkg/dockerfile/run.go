// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/oci/spec"
	"coracle/pkg/overlay"
)

// run is RUN.
func (b *builder) run(s *stage, c *instructions.RunCommand) error {
	cmd, err := s.command(c)
	if err != nil {
		return err
	}
	v := b.tell.announce(s.title(s.args.shown(c.String(), b.file.Escape) + cmd.note))
	if len(cmd.args) == 0 {
		return v.fail(errors.New("RUN requires a command"))
	}
	if sec := instructions.GetSecurity(c); sec != instructions.SecuritySandbox {
		return v.fail(fmt.Errorf("RUN --security=%s is not allowed", sec))
	}
	if len(instructions.GetDevices(c)) > 0 {
		return v.fail(errors.New("RUN --device is not supported"))
	}
	m := &mounts{b: b, s: s}
	defer m.close()
	shown, err := m.plan(instructions.GetMounts(c))
	if err != nil {
		return v.fail(err)
	}
	network := b.o.Network
	if n := instructions.GetNetwork(c); n != instructions.NetworkDefault {
		network = n
	}
	env, conf := b.runEnv(s), s.image.Config
	parts := []string{"run", conf.User, conf.WorkingDir, network, shown, cmd.script}
	parts = append(append(append(parts, cmd.args...), "env"), withoutProxies(env)...)
	err = b.snapshot(s, v, newKey(s.parent(), parts...), func(d *overlay.Dir, lowers []string) error {
		list, secrets, err := m.open(cmd)
		if err != nil {
			return err
		}
		err = b.runner.Run(b.ctx, Step{
			Lowers: lowers, Upper: d.Upper, Work: d.Work, Args: cmd.args, Env: append(env[:len(env):len(env)], secrets...),
			Dir: conf.WorkingDir, User: conf.User, Network: network, AddHosts: b.o.AddHosts, ShmSize: b.o.ShmSize,
			Mounts: list, Stdout: v, Stderr: v,
		})
		var exit *ExitError
		if errors.As(err, &exit) {
			return fmt.Errorf("process %q did not complete successfully: %w", strings.Join(cmd.args, " "), err)
		}
		if err == nil && m.changed {
			return files.ErrChanged
		}
		return err
	})
	text := "RUN "
	if vals := s.args.values(); len(vals) > 0 {
		text += fmt.Sprintf("|%d %s ", len(vals), strings.Join(vals, " "))
	}
	s.addHistory(text+strings.Join(cmd.args, " ")+" # buildkit", false)
	return err
}

// runEnv is the environment of a RUN: the image's, and the arguments that are
// declared.
func (b *builder) runEnv(s *stage) []string {
	var env []string
	for _, k := range proxyArgs {
		v, ok := b.o.BuildArgs[k]
		if !ok { // programs read one or the other
			v, ok = b.o.BuildArgs[otherCase(k)]
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
