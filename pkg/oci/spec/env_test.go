// SPDX-License-Identifier: Apache-2.0

package spec_test

import (
	"slices"
	"strings"
	"testing"

	"coracle/pkg/oci/spec"
)

func TestMergeEnv(t *testing.T) {
	for _, c := range []struct{ base, changes, want string }{
		{"PATH=/bin A=1 B=2", "A=x=y B C=3 D", "PATH=/bin A=x=y C=3"},
		{"", "A=1 A=2", "A=2"},
		{"A=1 A=2", "A=3", "A=3 A=2"},
		{"A=1 A=2", "A", "A=2"},
		{"AB=1", "A=2 B", "AB=1 A=2"},
		{"A=1", "A=", "A="},
		{"A", "A=1", "A A=1"},
		{"A=1", "", "A=1"},
	} {
		base := strings.Fields(c.base)
		before := slices.Clone(base)
		if got := strings.Join(spec.MergeEnv(base, strings.Fields(c.changes)...), " "); got != c.want {
			t.Errorf("%q over %q: %q, want %q", c.changes, c.base, got, c.want)
		}
		if !slices.Equal(base, before) {
			t.Errorf("%q over %q changed what was below: %q", c.changes, c.base, base)
		}
	}
}

func TestDefaultEnv(t *testing.T) {
	before, behind := []string{"PATH=/bin", "TERM=xterm"}, []string{"HOME=/root"}
	for env, want := range map[string]string{
		"":               "PATH=/bin TERM=xterm HOME=/root",
		"A=1 TERM=vt100": "PATH=/bin A=1 TERM=vt100 HOME=/root",
		"HOME=":          "PATH=/bin TERM=xterm HOME=",
		"HOMES=1 PATH":   "PATH=/bin TERM=xterm HOMES=1 PATH HOME=/root",
	} {
		if got := strings.Join(spec.DefaultEnv(before, strings.Fields(env), behind), " "); got != want {
			t.Errorf("%q: %q, want %q", env, got, want)
		}
	}
}
