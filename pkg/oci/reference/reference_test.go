// SPDX-License-Identifier: Apache-2.0

package reference

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
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
		r, err := Parse(tt.in)
		if err != nil || r.Name() != tt.name || r.Familiar() != tt.familiar {
			t.Errorf("%s: %q %q %v, want %q %q", tt.in, r.Name(), r.Familiar(), err, tt.name, tt.familiar)
		}
	}
}

func TestParseBad(t *testing.T) {
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
		r, err := Parse(tt.in)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40q: %q %v, want %s", tt.in, r.Name(), err, tt.want)
		}
	}
}

// FuzzParse checks that a name, once completed, means itself.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"busybox", "localhost:5000/a/b:c", "a@sha256:" + strings.Repeat("0", 64), "[::1]:5/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(r.Name())
		if err != nil || again.Name() != r.Name() {
			t.Errorf("%q: %q, then %q %v", s, r.Name(), again.Name(), err)
		}
	})
}

// What is shown of a name keeps its tag beside the digest, and need not be right.
func TestComplete(t *testing.T) {
	for name, want := range map[string]string{
		"busybox": "docker.io/library/busybox:latest", "user/app:1": "docker.io/user/app:1", "localhost/x": "localhost/x:latest",
		"busybox:1@sha256:12": "docker.io/library/busybox:1@sha256:12", "busybox@sha256:12": "docker.io/library/busybox@sha256:12",
		"Wrong": "docker.io/library/Wrong:latest", "reg:5/a": "reg:5/a:latest", "": "docker.io/library/:latest",
	} {
		if got := Complete(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}
