// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"strings"
	"testing"
)

func TestExpansion(t *testing.T) {
	given := map[string]string{"G": "given"}
	tests := []struct{ text, want string }{ // of the label x
		{"ARG A=1\nLABEL x=$A", "1"},
		{"LABEL x=a$A", "a"},
		{"ARG A=1\nENV A=2\nLABEL x=$A", "2"},
		{"ENV A=2\nARG A=1\nLABEL x=$A", "1"},
		{"ENV G=2\nARG G\nLABEL x=$G", "given"},
		{"ENV A=2\nARG A\nLABEL x=$A", "2"},
		{"ARG G=${A?unused}\nLABEL x=$G", "given"},
		{"ARG A=1 B=${A}2\nLABEL x=$B", "12"},
		{"ARG G\nLABEL x=$G", "given"},
		{"ARG G=default\nLABEL x=$G", "given"},
		{"ARG META\nLABEL x=$META", "meta"},
		{"LABEL x=a$META", "a"},
		{"ARG META=own\nLABEL x=$META", "own"},
		{"ARG TARGETARCH\nLABEL x=$TARGETARCH", "arm64"},
		{"ARG TARGETPLATFORM\nLABEL x=$TARGETPLATFORM", "linux/arm64"},
		{"ENV A=1\nENV A=2 B=$A\nLABEL x=$B", "1"},
		{"LABEL x=${A:-none}", "none"},
		{"ENV A=1\nLABEL x=${A:+some}", "some"},
		{"ENV A=1\nLABEL x='$A'", "$A"},
		{"ENV A=1\nLABEL x=\\$A", "$A"},
		{"ENV A=1=2\nLABEL x=$A", "1=2"},
	}
	for _, tt := range tests {
		s := planned(t, "ARG META=meta\nFROM a\n"+tt.text+"\n", Input{BuildArgs: given, Platform: "arm64"})
		if got := s.image.Config.Labels["x"]; got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestArgumentsBeforeFrom(t *testing.T) {
	in := input(t, "ARG A=1\nARG B=${A}2\nARG C\nFROM a:$B-$C\n", Input{BuildArgs: map[string]string{"C": "c", "D": "d", "http_proxy": "p", "BUILDKIT_INLINE_CACHE": "1"}})
	g, err := Make(in)
	if err != nil {
		t.Fatal(err)
	}
	if got := g.Vertices[0].Title; got != "[1/1] FROM docker.io/library/a:12-c" {
		t.Errorf("got %q", got)
	}
	want := []string{"One or more build-args [D] were not consumed"}
	if !slices.Equal(g.Warnings, want) {
		t.Errorf("warnings are %q", g.Warnings)
	}
}

func TestStageInheritsArguments(t *testing.T) {
	below := planned(t, "FROM a\nARG A=1\nENV B=2\n", Input{})
	s := &stage{args: newArgScope()}
	s.inherit(below)
	three := "3"
	s.args.declare("C", &three)
	if got := s.args.values(); !slices.Equal(got, []string{"A=1", "C=3"}) {
		t.Errorf("arguments are %q", got)
	}
	if below.args.vars["C"] != "" {
		t.Error("the stage below got the argument too")
	}
}

func TestRunEnvironment(t *testing.T) {
	in := Input{BuildArgs: map[string]string{"http_proxy": "p", "A": "given"}}
	s := planned(t, "FROM a\nARG A=1\nARG N\nENV E=2\nARG E=3\nRUN x\n", in)
	env := s.top.Op.(Run).Env
	for _, want := range []string{"A=given", "E=3", "http_proxy=p", "HTTP_PROXY=p"} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is missing in %q", want, env)
		}
	}
	if slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "N") }) {
		t.Errorf("an argument without a value is set: %q", env)
	}
	if got := withoutProxies(env); slices.Contains(got, "http_proxy=p") {
		t.Errorf("a proxy counts for the cache: %q", got)
	}
}

func TestShown(t *testing.T) {
	a := planned(t, "FROM a\nENV A=1\n", Input{}).args
	for text, want := range map[string]string{
		"RUN echo $A ${A} $B": "RUN echo 1 1 $B", "RUN 'a  b'": "RUN 'a b'", "RUN ${": "RUN ${", "RUN a && \\\n b": "RUN a && \\ b",
	} {
		if got := a.shown(text, '\\'); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
