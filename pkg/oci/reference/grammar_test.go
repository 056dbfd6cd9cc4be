// SPDX-License-Identifier: Apache-2.0

package reference

import (
	"regexp"
	"strings"
	"testing"
)

// The same grammar as the distribution project writes it.
const (
	label     = `(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])`
	component = `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`
)

var grammar = []struct {
	name string
	want *regexp.Regexp
	is   func(string) bool
}{
	{"domain", regexp.MustCompile(`^(?:` + label + `(?:\.` + label + `)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$`), isDomain},
	{"path", regexp.MustCompile(`^` + component + `(?:/` + component + `)*$`), isPath},
	{"tag", regexp.MustCompile(`^[\w][\w.-]{0,127}$`), isTag},
	{"digest", regexp.MustCompile(`^sha256:[a-f0-9]{64}$`), isDigest},
	{"id", regexp.MustCompile(`^[a-f0-9]{64}$`), IsFullID},
}

func FuzzGrammar(f *testing.F) {
	hex := strings.Repeat("0123456789abcdef", 4)
	for _, s := range []string{
		"", "a", "A", "-", "a-", "-a", "a--b", "a.b", "a..b", "a_b", "a__b", "a___b", "a._b", "a-_b", "a/b", "a//b", "/a", "a/", "a/b/c0",
		"a:", "a:1", "a:b", ":1", "a:1:2", "[::1]", "[::1]:5", "[::1]:", "[::1]5", "[]", "[::1", "[g]", "localhost:5000", "a.b-c.D0:80", "a.-b", ".a", "a.",
		"_", "_.", ".x", "1.0-rc_1", strings.Repeat("x", 128), strings.Repeat("x", 129), hex, hex[1:], hex + "0", "sha256:" + hex, "sha256:" + hex[1:],
		"sha512:" + hex, strings.ToUpper(hex), "é", "a\n", "\xff", "a b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, g := range grammar {
			if got, want := g.is(s), g.want.MatchString(s); got != want {
				t.Errorf("%q is a %s: %v, want %v", s, g.name, got, want)
			}
		}
	})
}
