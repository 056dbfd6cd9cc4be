// SPDX-License-Identifier: Apache-2.0

package buildcmd

import (
	"strings"
	"testing"

	"coracle/pkg/dockerfile/plan"
)

func TestPrintTargets(t *testing.T) {
	for want, list := range map[string][]plan.Target{
		"TARGET          DESCRIPTION\nbase            what is below\nmain (default)  \n": {{Name: "base", Description: "what is below"}, {Name: "main", Default: true}},
		"TARGET    DESCRIPTION\n(default) \n":                                            {{Default: true}},
	} {
		var b strings.Builder
		if err := printTargets(&b, list); err != nil || strings.ReplaceAll(b.String(), "  ", " ") != strings.ReplaceAll(want, "  ", " ") {
			t.Errorf("%+v: %v, got\n%s\nwant\n%s", list, err, b.String(), want)
		}
	}
}

func TestPrintOutline(t *testing.T) {
	for want, o := range map[string]plan.Outline{
		"":              {},
		"TARGET: t\n\n": {Target: plan.Target{Name: "t"}},
		`TARGET:      t
DESCRIPTION: what it is

BUILD ARG   VALUE   DESCRIPTION
A           1       the first
LONGER              

SECRET   REQUIRED
s        true
o        

`: {
			Target: plan.Target{Name: "t", Description: "what it is", Default: true},
			Args:   []plan.Arg{{Name: "A", Value: "1", Description: "the first"}, {Name: "LONGER"}}, Secrets: []plan.SecretUse{{ID: "s", Required: true}, {ID: "o"}},
		},
	} {
		var b strings.Builder
		if err := printOutline(&b, o); err != nil || b.String() != want {
			t.Errorf("%+v: %v, got\n%q\nwant\n%q", o, err, b.String(), want)
		}
	}
}
