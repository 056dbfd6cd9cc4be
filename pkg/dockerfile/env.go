// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// The arguments that a RUN sees without an ARG, and that do not count for the
// cache: they say how to reach the network, not what to build.
var proxyArgs = []string{
	"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY", "ftp_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy",
}

// platformArgs are the arguments that tell of the platform.
func (b *builder) platformArgs() map[string]string {
	here, target, stage := parsePlatform(""), parsePlatform(b.o.Platform), b.o.Target
	if stage == "" {
		stage = b.file.Stages[len(b.file.Stages)-1].Name
	}
	if stage == "" {
		stage = "default"
	}
	args := map[string]string{
		"BUILDPLATFORM": here.String(), "BUILDOS": here.os, "BUILDOSVERSION": "", "BUILDARCH": here.arch, "BUILDVARIANT": here.variant,
		"TARGETPLATFORM": target.String(), "TARGETOS": target.os, "TARGETOSVERSION": "", "TARGETARCH": target.arch, "TARGETVARIANT": target.variant,
		"TARGETSTAGE": stage,
	}
	for k := range args {
		if v, ok := b.o.BuildArgs[k]; ok {
			b.use(k)
			args[k] = v
		}
	}
	return args
}

// lookup is a set of variables for BuildKit's expansion.
type lookup map[string]string

func (l lookup) Get(key string) (string, bool) {
	v, ok := l[key]
	return v, ok
}

func (l lookup) Keys() []string { return slices.Sorted(maps.Keys(l)) }

// metaArgs are the arguments from before the first FROM, with the values given
// on the command line.
func (b *builder) metaArgs() (lookup, error) {
	vars := lookup(b.platformArgs())
	lex := shell.NewLex(b.file.Escape)
	for _, cmd := range b.file.Meta {
		for _, a := range cmd.Args {
			if v, ok := b.o.BuildArgs[a.Key]; ok {
				b.use(a.Key)
				vars[a.Key] = v
			} else if a.Value != nil {
				v, _, err := lex.ProcessWord(*a.Value, vars)
				if err != nil {
					return nil, withLocation(err, cmd.Location())
				}
				vars[a.Key] = v
			}
		}
	}
	return vars, nil
}

// expandMeta expands a word of a FROM line.
func (b *builder) expandMeta(word string) (string, error) {
	if !strings.ContainsAny(word, `$\'"`) {
		return word, nil
	}
	out, _, err := shell.NewLex(b.file.Escape).ProcessWord(word, b.metaVar)
	return out, err
}

func (b *builder) use(arg string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used[arg] = true
}

// allWarnings names also the build arguments that nothing asked for.
func (b *builder) allWarnings() []string {
	var unused []string
	for _, k := range slices.Sorted(maps.Keys(b.o.BuildArgs)) {
		if !b.used[k] && !slices.Contains(proxyArgs, k) && !strings.HasPrefix(k, "BUILDKIT_") { // the last are for BuildKit itself
			unused = append(unused, k)
		}
	}
	if len(unused) == 0 {
		return b.warnings
	}
	return append(b.warnings, fmt.Sprintf("One or more build-args %v were not consumed", unused))
}

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
func (b *builder) arg(s *stage, c *instructions.ArgCommand) error {
	var shown []string
	for _, a := range c.Args {
		value := a.Value
		if v, ok := b.o.BuildArgs[a.Key]; ok {
			b.use(a.Key)
			value = &v
		} else if value != nil {
			v, err := s.args.expand(b.file.Escape)(*value)
			if err != nil {
				return err
			}
			value = &v
		} else if v, ok := b.metaVar[a.Key]; ok {
			value = &v
		}
		s.args.declare(a.Key, value)
		if value != nil {
			shown = append(shown, a.Key+"="+*value)
		} else {
			shown = append(shown, a.Key)
		}
	}
	s.addHistory("ARG "+strings.Join(shown, " "), true)
	return nil
}
