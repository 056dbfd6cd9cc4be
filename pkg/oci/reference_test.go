// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"strings"
	"testing"

	"coracle/pkg/overlay"
)

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
