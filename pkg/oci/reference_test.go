// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"strings"
	"testing"

	"coracle/pkg/overlay"
)

func TestParseRef(t *testing.T) {
	const sum = "sha256:57408aa78f3d8aecccc6b813287461b22264273a8c20a350f2fb449be42e110c"
	for _, tt := range []struct{ in, name, familiar string }{
		{"busybox", "docker.io/library/busybox:latest", "busybox:latest"},
		{"busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"},
		{"user/app", "docker.io/user/app:latest", "user/app:latest"},
		{"docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"},
		{"index.docker.io/library/busybox", "docker.io/library/busybox:latest", "busybox:latest"},
		{"localhost/app", "localhost/app:latest", "localhost/app:latest"},
		{"localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest"},
		{"reg.example/a/b/c:x", "reg.example/a/b/c:x", "reg.example/a/b/c:x"},
		{"[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"},
		{"busybox@" + sum, "docker.io/library/busybox@" + sum, "busybox@" + sum},
		{"busybox:1@" + sum, "docker.io/library/busybox@" + sum, "busybox@" + sum},
		{"a__b-c.d", "docker.io/library/a__b-c.d:latest", "a__b-c.d:latest"},
	} {
		r, err := ParseRef(tt.in)
		if err != nil || r.Name() != tt.name || r.Familiar() != tt.familiar {
			t.Errorf("%s: %q %q %v, want %q %q", tt.in, r.Name(), r.Familiar(), err, tt.name, tt.familiar)
		}
	}
}

func TestParseBadRef(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", "invalid reference format"},
		{"a b", "invalid reference format"},
		{"Busybox", "repository name (library/Busybox) must be lowercase"},
		{"busybox:", "invalid reference format"},
		{"busybox:-x", "invalid reference format"},
		{"busybox@sha256:12", "invalid reference format"},
		{"-busybox", "invalid reference format"},
		{"a/../b", "invalid reference format"},
		{"a//b", "invalid reference format"},
		{strings.Repeat("a", 64), "cannot specify 64-byte hexadecimal strings"},
		{"x/" + strings.Repeat("a", 256), "invalid reference format"},
		{"busybox:" + strings.Repeat("t", 129), "invalid reference format"},
	} {
		r, err := ParseRef(tt.in)
		if !errors.Is(err, ErrInvalidReference) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40q: %q %v, want %s", tt.in, r.Name(), err, tt.want)
		}
	}
}

// FuzzParseRef checks that a name, once completed, means itself.
func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"busybox", "localhost:5000/a/b:c", "a@sha256:" + strings.Repeat("0", 64), "[::1]:5/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil {
			return
		}
		again, err := ParseRef(r.Name())
		if err != nil || again.Name() != r.Name() {
			t.Errorf("%q: %q, then %q %v", s, r.Name(), again.Name(), err)
		}
	})
}

func TestLookup(t *testing.T) {
	ix := &overlay.Index{Images: []overlay.Image{
		{ID: "aa11" + strings.Repeat("0", 60), Names: []string{"docker.io/library/busybox:latest", "localhost/x:1"}},
		{ID: "aa22" + strings.Repeat("0", 60), Names: []string{"docker.io/library/aa11:latest"}},
		{ID: "bb33" + strings.Repeat("0", 60)},
	}}
	for _, tt := range []struct{ arg, id, name, err string }{
		{"busybox", "aa11", "docker.io/library/busybox:latest", ""},
		{"localhost/x:1", "aa11", "localhost/x:1", ""},
		{"aa11", "aa22", "docker.io/library/aa11:latest", ""}, // a name counts before an ID
		{"aa110", "aa11", "", ""},
		{"sha256:aa110", "aa11", "", ""},
		{"b", "bb33", "", ""},
		{"aa", "", "", "ambiguous"},
		{"nosuch", "", "", "No such image: nosuch:latest"},
		{"ff", "", "", "No such image: ff:latest"},
		{"BAD", "", "", "must be lowercase"},
	} {
		img, name, err := Lookup(ix, tt.arg)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v, want %s", tt.arg, err, tt.err)
			}
			continue
		}
		if err != nil || !strings.HasPrefix(img.ID, tt.id) || name != tt.name {
			t.Errorf("%s: %.4s %q %v, want %s %q", tt.arg, img.ID, name, err, tt.id, tt.name)
		}
	}
}
