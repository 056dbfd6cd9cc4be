// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/oci/platform"
)

// The arguments that a RUN sees without an ARG, and that do not count for the
// cache: they say how to reach the network, not what to build.
var proxyArgs = []string{
	"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY", "ftp_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy",
}

// scope is what FROM knows: the arguments from before the first one.
type scope struct {
	in   *Input
	meta lookup
	used map[string]bool // build arguments that something asked for
}

// newScope gives the arguments their values, from the command line before those
// of the Dockerfile.
func newScope(in *Input) (*scope, error) {
	s := &scope{in: in, used: map[string]bool{}}
	var err error
	if s.meta, err = s.platformArgs(); err != nil {
		return nil, err
	}
	lex := shell.NewLex(in.File.Escape)
	for _, cmd := range in.File.Meta {
		for _, a := range cmd.Args {
			if v, ok := s.given(a.Key); ok {
				s.meta[a.Key] = v
			} else if a.Value != nil {
				v, _, err := lex.ProcessWord(*a.Value, s.meta)
				if err != nil {
					return nil, parser.WithLocation(err, cmd.Location())
				}
				s.meta[a.Key] = v
			}
		}
	}
	return s, nil
}

// given is a build argument of the command line, which something asks for.
func (s *scope) given(key string) (string, bool) {
	v, ok := s.in.BuildArgs[key]
	if ok {
		s.used[key] = true
	}
	return v, ok
}

// platformArgs are the arguments that tell of the platform.
func (s *scope) platformArgs() (lookup, error) {
	here, stage := platform.Host(), s.in.Target
	target, err := parsePlatform(s.in.Platform)
	if err != nil {
		return nil, err
	}
	if stage == "" {
		stage = s.in.File.Stages[len(s.in.File.Stages)-1].Name
	}
	if stage == "" {
		stage = "default"
	}
	args := lookup{
		"BUILDPLATFORM": platform.String(here), "BUILDOS": here.OS, "BUILDOSVERSION": "", "BUILDARCH": here.Architecture, "BUILDVARIANT": here.Variant,
		"TARGETPLATFORM": platform.String(target), "TARGETOS": target.OS, "TARGETOSVERSION": "", "TARGETARCH": target.Architecture, "TARGETVARIANT": target.Variant,
		"TARGETSTAGE": stage,
	}
	for k := range args {
		if v, ok := s.given(k); ok {
			args[k] = v
		}
	}
	return args, nil
}

// parsePlatform has BuildKit's words for what is none.
func parsePlatform(s string) (ocispec.Platform, error) {
	p, err := platform.Parse(s)
	if err != nil {
		err = fmt.Errorf("failed to parse platform %s: %w", s, err)
	}
	return p, err
}

// expand expands a word of a FROM line.
func (s *scope) expand(word string) (string, error) {
	if !strings.ContainsAny(word, `$\'"`) {
		return word, nil
	}
	out, _, err := shell.NewLex(s.in.File.Escape).ProcessWord(word, s.meta)
	return out, err
}

// baseName is what a stage is built on.
func (s *scope) baseName(src instructions.Stage) (string, error) {
	name, err := s.expand(src.BaseName)
	if err == nil && name == "" {
		err = fmt.Errorf("base name (%s) should not be blank", src.BaseName)
	}
	return name, err
}

// stagePlatform is what FROM --platform says, or the whole build.
func (s *scope) stagePlatform(src instructions.Stage) (string, error) {
	p, err := s.expand(src.Platform)
	if p == "" {
		p = s.in.Platform
	}
	if err == nil {
		_, err = parsePlatform(p)
	}
	return p, err
}

// unused warns of the build arguments that nothing asked for.
func (s *scope) unused() []string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(s.in.BuildArgs)) {
		if !s.used[k] && !slices.Contains(proxyArgs, k) && !strings.HasPrefix(k, "BUILDKIT_") { // the last are for BuildKit itself
			list = append(list, k)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("One or more build-args %v were not consumed", list)}
}

// lookup is a set of variables for BuildKit's expansion.
type lookup map[string]string

func (l lookup) Get(key string) (string, bool) {
	v, ok := l[key]
	return v, ok
}

func (l lookup) Keys() []string { return slices.Sorted(maps.Keys(l)) }

// argScope holds the variables of a stage: its environment, and the build
// arguments. As for BuildKit it is one set, in which the later word counts.
type argScope struct {
	vars lookup
	args []string // declared by ARG, in order
}

func newArgScope() *argScope { return &argScope{vars: lookup{}} }

func (a *argScope) adopt(env []string) {
	for _, e := range env {
		k, v, _ := strings.Cut(e, "=")
		a.vars[k] = v
	}
}

// inherit takes over what another stage knows.
func (a *argScope) inherit(from *argScope) {
	a.args, a.vars = slices.Clone(from.args), maps.Clone(from.vars)
}

// declare names an argument, with a value or without.
func (a *argScope) declare(key string, value *string) {
	if !slices.Contains(a.args, key) {
		a.args = append(a.args, key)
	}
	if value != nil {
		a.vars[key] = *value
	}
}

func (a *argScope) expand(escape rune) instructions.SingleWordExpander {
	lex := shell.NewLex(escape)
	return func(word string) (string, error) {
		out, _, err := lex.ProcessWord(word, a.vars)
		return out, err
	}
}

// expandRaw leaves quotes alone: they are part of a here-document.
func (a *argScope) expandRaw(escape rune) instructions.SingleWordExpander {
	lex := shell.NewLex(escape)
	lex.SkipProcessQuotes = true
	return func(word string) (string, error) {
		out, _, err := lex.ProcessWord(word, a.vars)
		return out, err
	}
}

// shown is an instruction for the progress, with its variables replaced where
// they have a value.
func (a *argScope) shown(text string, escape rune) string {
	lex := shell.NewLex(escape)
	lex.RawQuotes, lex.RawEscapes, lex.SkipUnsetEnv = true, true, true
	if out, _, err := lex.ProcessWord(text, a.vars); err == nil {
		text = out
	}
	return strings.Join(strings.Fields(text), " ")
}

// values are the declared arguments, as the history tells of them:
// NAME=value.
func (a *argScope) values() []string {
	var list []string
	for _, k := range a.args {
		list = append(list, k+"="+a.vars[k])
	}
	return list
}

// arg is ARG. A default that is not used is not expanded: it may be wrong.
func (m *maker) arg(s *stage, c *instructions.ArgCommand) error {
	var shown []string
	for _, a := range c.Args {
		value := a.Value
		if v, ok := m.given(a.Key); ok {
			value = &v
		} else if value != nil {
			v, err := s.args.expand(m.in.File.Escape)(*value)
			if err != nil {
				return err
			}
			value = &v
		} else if v, ok := m.meta[a.Key]; ok {
			value = &v
		}
		s.args.declare(a.Key, value)
		m.offer(a, value)
		if value != nil {
			shown = append(shown, a.Key+"="+*value)
		} else {
			shown = append(shown, a.Key)
		}
	}
	s.addHistory("ARG "+strings.Join(shown, " "), true)
	return nil
}

func hasVariable(word string) bool { return strings.Contains(word, "$") }
