// SPDX-License-Identifier: Apache-2.0

package develop

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// Rule is one trigger of a service.
type Rule struct {
	types.Trigger
	Service string

	include *patterns // nil: everything
	ignore  []*patterns
}

// ephemeral are files of editors and compilers that nobody wants anywhere, as docker
// compose has them.
func ephemeral() []string {
	return []string{
		"**/*___jb_old___", "**/*___jb_tmp___", "**/.idea/**", "**/.#*", "**/#*#", "**/4913", "**/*~", "**/.*.swp", "**/.*.swx", "**/.*.swo", "**/.*.swn",
		"**/.*.kate-swp", "**/*-go-tmp-umask", "**/.git",
	}
}

// Rules are those of a service.
func Rules(s types.ServiceConfig) (list []Rule, err error) {
	if s.Develop == nil {
		return nil, nil
	}
	ignored, err := dockerIgnore(s.Build)
	if err != nil {
		return nil, fmt.Errorf("service %q: %w", s.Name, err)
	}
	for _, t := range s.Develop.Watch {
		t.Path = filepath.Clean(t.Path)
		r := Rule{Trigger: t, Service: s.Name}
		if t.Path == "/" {
			return nil, fmt.Errorf("service %q: cannot watch root directory", s.Name)
		}
		for _, texts := range [][]string{ephemeral(), t.Ignore} {
			p, err := newPatterns(t.Path, texts)
			if err != nil {
				return nil, fmt.Errorf("service %q: develop.watch: ignore: %w", s.Name, err)
			}
			r.ignore = append(r.ignore, p)
		}
		if ignored != nil {
			r.ignore = append(r.ignore, ignored)
		}
		if len(t.Include) > 0 {
			if r.include, err = newPatterns(t.Path, t.Include); err != nil {
				return nil, fmt.Errorf("service %q: develop.watch: include: %w", s.Name, err)
			}
		}
		list = append(list, r)
	}
	return list, nil
}

// Copies reports whether files are copied into containers.
func (r Rule) Copies() bool {
	return slices.Contains([]types.WatchAction{types.WatchActionSync, types.WatchActionSyncRestart, types.WatchActionSyncExec}, r.Action)
}

// Matches reports whether the rule is about a path.
func (r Rule) Matches(file string) bool {
	if !Within(r.Path, file) || r.include != nil && !r.include.match(file) {
		return false
	}
	return !slices.ContainsFunc(r.ignore, func(p *patterns) bool { return p.match(file) })
}

// SkipsAll reports whether the rule is about nothing in a directory.
func (r Rule) SkipsAll(dir string) bool {
	if !Within(r.Path, dir) {
		return !Within(dir, r.Path)
	}
	return dir != r.Path && slices.ContainsFunc(r.ignore, func(p *patterns) bool { return !p.m.Exclusions() && p.match(dir) })
}

// Target is where a path belongs in containers.
func (r Rule) Target(file string) string {
	if file == r.Path && strings.HasSuffix(r.Trigger.Target, "/") {
		if info, err := os.Stat(file); err != nil || !info.IsDir() {
			return path.Join(r.Trigger.Target, filepath.Base(file))
		}
	}
	return path.Join(r.Trigger.Target, strings.TrimPrefix(file, r.Path))
}

// patterns are those of an ignore file, for what is in a directory.
type patterns struct {
	base string
	m    *patternmatcher.PatternMatcher
}

// newPatterns takes relative patterns, and absolute ones of what is below base.
func newPatterns(base string, texts []string) (*patterns, error) {
	var list []string
	for _, t := range texts {
		t = strings.TrimSpace(t)
		not := strings.HasPrefix(t, "!")
		t = strings.TrimPrefix(t, "!")
		if t == "" {
			continue
		}
		if t = filepath.Clean(t); filepath.IsAbs(t) {
			if !Within(base, t) {
				continue
			}
			t = strings.TrimPrefix(strings.TrimPrefix(t, base), "/")
		}
		if not {
			t = "!" + t
		}
		list = append(list, t)
	}
	m, err := patternmatcher.New(list)
	return &patterns{base, m}, err
}

func (p *patterns) match(file string) bool {
	if !Within(p.base, file) || file == p.base {
		return false
	}
	ok, err := p.m.MatchesOrParentMatches(strings.TrimPrefix(strings.TrimPrefix(file, p.base), "/"))
	return ok && err == nil
}

// dockerIgnore is what a build does not see of its context: DOCKERFILE.dockerignore, or
// else .dockerignore.
func dockerIgnore(b *types.BuildConfig) (*patterns, error) {
	if b == nil || !filepath.IsAbs(b.Context) {
		return nil, nil // another place than a directory here
	}
	name := b.Dockerfile
	if name == "" {
		name = "Dockerfile"
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(b.Context, name)
	}
	f, err := os.Open(name + ".dockerignore")
	if os.IsNotExist(err) {
		f, err = os.Open(filepath.Join(b.Context, ".dockerignore"))
	}
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := ignorefile.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("read .dockerignore: %w", err)
	}
	return newPatterns(filepath.Clean(b.Context), list)
}
