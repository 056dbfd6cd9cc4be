// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/opencontainers/go-digest"

	"coracle/pkg/overlay"
)

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// run is RUN.
func (b *builder) run(s *stage, c *instructions.RunCommand) error {
	v := b.tell.announce(s.title(c.String()))
	args, scripts := s.runArgs(c)
	mounts, id, err := b.runMounts(s, c, scripts)
	if err != nil {
		return v.fail(err)
	}
	network := b.o.Network
	if n := instructions.GetNetwork(c); n != instructions.NetworkDefault {
		network = n
	}
	env := b.runEnv(s)
	conf := s.image.Config
	parts := []string{"run", conf.User, conf.WorkingDir, network, id}
	parts = append(append(append(parts, args...), "env"), withoutProxies(env)...)
	err = b.snapshot(s, v, newKey(s.parent(), parts...), func(d *overlay.Dir, lowers []string) error {
		err := b.runner.Run(b.ctx, Step{
			Lowers: lowers, Upper: d.Upper, Work: d.Work, Args: args, Env: env, Dir: conf.WorkingDir, User: conf.User,
			Network: network, AddHosts: b.o.AddHosts, ShmSize: b.o.ShmSize, Mounts: mounts, Stdout: v, Stderr: v,
		})
		var exit *ExitError
		if errors.As(err, &exit) {
			return fmt.Errorf("process %q did not complete successfully: %w", strings.Join(args, " "), err)
		}
		return err
	})
	text := "RUN "
	if vals := s.args.values(); len(vals) > 0 {
		text += fmt.Sprintf("|%d %s ", len(vals), strings.Join(vals, " "))
	}
	s.addHistory(text+strings.Join(args, " ")+" # buildkit", false)
	return err
}

// runEnv is the environment of a RUN: the image's, and the arguments that are
// declared.
func (b *builder) runEnv(s *stage) []string {
	var env []string
	for _, k := range proxyArgs {
		if v, ok := b.o.BuildArgs[k]; ok {
			env = setEnv(env, k, v)
		}
	}
	for _, a := range s.args.values() {
		k, v, _ := strings.Cut(a, "=")
		env = setEnv(env, k, v)
	}
	for _, e := range s.image.Config.Env {
		k, v, _ := strings.Cut(e, "=")
		env = setEnv(env, k, v)
	}
	if !slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "PATH=") }) {
		env = append(env, "PATH="+defaultPath)
	}
	return env
}

func withoutProxies(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(e string) bool {
		k, _, _ := strings.Cut(e, "=")
		return slices.Contains(proxyArgs, k)
	})
}

// script is a here-document that is a program of its own.
type script struct {
	name string
	data string
}

// runArgs is the command. A here-document is part of the shell's text; one
// that begins with #! is a file.
func (s *stage) runArgs(c *instructions.RunCommand) (args []string, scripts []script) {
	if !c.PrependShell {
		return c.CmdLine, nil
	}
	text := strings.Join(c.CmdLine, " ")
	if len(c.Files) == 1 && isOnlyHeredoc(text, c.Files[0].Name) {
		f := c.Files[0]
		if strings.HasPrefix(f.Data, "#!") {
			return []string{"/dev/pipes/" + f.Name}, []script{{f.Name, f.Data}}
		}
		return append(slices.Clone(s.shell()), f.Data), nil
	}
	for _, f := range c.Files {
		text += "\n" + f.Data + f.Name
	}
	return append(slices.Clone(s.shell()), text), nil
}

func isOnlyHeredoc(text, name string) bool {
	text = strings.TrimPrefix(strings.TrimSpace(text), "<<")
	text = strings.TrimPrefix(text, "-")
	return strings.Trim(text, `"'`) == name
}

// runMounts are the mounts of --mount. The string decides with the rest what
// the result is; what is in a cache or a secret does not.
func (b *builder) runMounts(s *stage, c *instructions.RunCommand, scripts []script) ([]StepMount, string, error) {
	var list []StepMount
	var id strings.Builder
	for _, m := range instructions.GetMounts(c) {
		var sm StepMount
		var err error
		switch m.Type {
		case instructions.MountTypeBind:
			sm, err = b.bindMount(s, m, &id)
		case instructions.MountTypeCache:
			sm, err = b.cacheMount(m)
		case instructions.MountTypeTmpfs:
			sm = StepMount{Type: "tmpfs", Target: m.Target, Size: m.SizeLimit}
		case instructions.MountTypeSecret:
			var ok bool
			if sm, ok, err = b.secretMount(m); !ok && err == nil {
				continue
			}
		default:
			err = fmt.Errorf("RUN --mount=type=%s is not supported", m.Type)
		}
		if err != nil {
			return nil, "", err
		}
		sm.Target = absolute(s.image.Config.WorkingDir, sm.Target)
		fmt.Fprintf(&id, "%s %q %t\n", m.Type, sm.Target, sm.ReadOnly)
		list = append(list, sm)
	}
	for _, sc := range scripts {
		dir, err := b.tempDir("script-")
		if err != nil {
			return nil, "", fmt.Errorf("write here-document: %w", err)
		}
		file := filepath.Join(dir, "script")
		if err := os.WriteFile(file, []byte(sc.data), 0o755); err != nil {
			return nil, "", fmt.Errorf("write here-document: %w", err)
		}
		fmt.Fprintf(&id, "script %q\n", sc.data)
		list = append(list, StepMount{Type: "bind", Source: file, Target: "/dev/pipes/" + sc.name, ReadOnly: true})
	}
	return list, id.String(), nil
}

// bindMount shows files of the context, a stage or an image to the command.
func (b *builder) bindMount(s *stage, m *instructions.Mount, id *strings.Builder) (StepMount, error) {
	t, err := b.source(s, m.From)
	if err != nil {
		return StepMount{}, err
	}
	names, err := t.find(m.Source)
	if err != nil {
		return StepMount{}, err
	}
	if t.id != "" {
		fmt.Fprintf(id, "from %s %s\n", t.id, names[0])
	} else {
		p := &plan{}
		if err := b.planSource(p, s, m.Source, transfer{}, emptyMatcher()); err != nil {
			return StepMount{}, err
		}
		sum, err := p.digest(b.ctx)
		if err != nil {
			return StepMount{}, err
		}
		id.WriteString("context " + sum + "\n")
	}
	// What is written there is thrown away, says BuildKit; here it is refused.
	return StepMount{Type: "bind", Source: filepath.Join(t.path, names[0]), Target: m.Target, ReadOnly: true}, nil
}

// cacheMount is a directory that stays between builds.
func (b *builder) cacheMount(m *instructions.Mount) (StepMount, error) {
	name := m.CacheID
	if name == "" {
		name = path.Clean(m.Target)
	}
	dir := filepath.Join(b.st.Dirs().CacheMounts(), digest.FromString(name).Encoded())
	mode := os.FileMode(0o755)
	if m.Mode != nil {
		mode = unixMode(uint32(*m.Mode))
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		own := owner{}
		if m.UID != nil {
			own.uid = int(*m.UID)
		}
		if m.GID != nil {
			own.gid = int(*m.GID)
		}
		err := errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, mode), ignoreInvalid(os.Chown(dir, own.uid, own.gid)))
		if err != nil {
			return StepMount{}, fmt.Errorf("create cache mount: %w", err)
		}
	}
	return StepMount{Type: "bind", Source: dir, Target: m.Target, ReadOnly: m.ReadOnly}, nil
}

// secretMount shows a file of the host to one command; ok is false when it was
// not given and need not be.
func (b *builder) secretMount(m *instructions.Mount) (sm StepMount, ok bool, err error) {
	id := m.CacheID
	if id == "" {
		id = path.Base(m.Target)
	}
	file, known := b.o.Secrets[id]
	if !known {
		if m.Required {
			return sm, false, fmt.Errorf("secret %s: not found", id)
		}
		return sm, false, nil
	}
	target := m.Target
	if target == "" {
		target = "/run/secrets/" + id
	}
	return StepMount{Type: "bind", Source: file, Target: target, ReadOnly: true}, true, nil
}
