// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"strings"
	"testing"
)

func TestLabel(t *testing.T) {
	for text, want := range map[string]string{
		"web": "web", "my_db": "my-db", "Web.API": "web-api", "1st": "x1st", "-a-": "a", "__": "", "": "", "ü": "", "a--b": "a--b",
		strings.Repeat("a", 62) + "-b": strings.Repeat("a", 62),
	} {
		if got := label(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestKeysOfObjects(t *testing.T) {
	for text, want := range map[string]string{"site.conf": "site.conf", "a b/c": "a-b-c", "..x": "x..x", ".": "x.", ".env": ".env"} {
		if got := keyForm(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for name, want := range map[string]bool{
		"a": true, "traefik.http.routers.a.rule": true, "example.org/a_b": true, "a b": false, "/a": false, "a/": false, "a/b/c": false, "-a": false, "A.B/c": true,
		strings.Repeat("a", 64): false,
	} {
		if got := isAnnotation(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// expand is what Kubernetes makes of a text: third_party/forked/golang/expansion.
func expand(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		switch i++; text[i] {
		case '$':
			b.WriteByte('$')
		case '(':
			if end := strings.IndexByte(text[i:], ')'); end > 0 {
				b.WriteString("<replaced>")
				i += end
			} else {
				b.WriteString("$(")
			}
		default:
			b.WriteString("$" + text[i:i+1])
		}
	}
	return b.String()
}

// TestLiteral: what is written is what the program gets.
func TestLiteral(t *testing.T) {
	for _, text := range []string{"", "$", "$$", "$$$", "$a", "echo $(hostname) $$ ${X}", "$$(a)", "$(", "a$", "$$$(b)$"} {
		if got := expand(literal(text)); got != text {
			t.Errorf("%q is written %q, and read %q", text, literal(text), got)
		}
	}
	if got := literal("$HOME"); got != "$HOME" {
		t.Errorf("a dollar that means nothing: %q", got)
	}
}

func TestQuantities(t *testing.T) {
	for n, want := range map[int64]string{1: "1m", 100_000_000: "100m", 1_500_000_000: "1500m", 2_000_000_000: "2"} {
		if got := cpu(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int64]string{1: "1", 1000: "1000", 1 << 20: "1Mi", 3 << 30: "3Gi", 1536 << 20: "1536Mi", 5 << 10: "5Ki"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestRanges(t *testing.T) {
	for want, list := range map[string][]int{
		"":                        nil,
		"80":                      {80, 80},
		"9, 53, 80-81, 8000-8003": {8003, 80, 53, 8001, 81, 8000, 8002, 9, 80},
	} {
		if got := ranges(list); got != want {
			t.Errorf("%v: %q, want %q", list, got, want)
		}
	}
}
