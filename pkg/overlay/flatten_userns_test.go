// SPDX-License-Identifier: Apache-2.0

package overlay_test

import (
	"archive/tar"
	"bytes"
	"io"
	"strings"
	"testing"

	"coracle/pkg/overlay"
)

// TestFlatten has files that a layer above hides, replaces and removes.
func TestFlatten(t *testing.T) {
	s := store(t)
	base := layer(t, s, "", archive(entry{name: "d/", kind: tar.TypeDir}, entry{name: "d/gone", text: "x"}, entry{name: "d/old", text: "old"}, entry{name: "kept", text: "k"}))
	top := layer(t, s, base, archive(entry{name: "d/.wh.gone"}, entry{name: "d/old", text: "new"}, entry{name: "e", text: "e"}))
	for id, want := range map[overlay.LayerID]string{base: "d/ d/gone=x d/old=old kept=k", top: "d/ d/old=new e=e kept=k"} {
		var b bytes.Buffer
		if err := s.Flatten(t.Context(), id, &b); err != nil {
			t.Fatal(err)
		}
		var got []string
		for tr := tar.NewReader(&b); ; {
			h, err := tr.Next()
			if err != nil {
				break
			}
			data, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			if h.Typeflag == tar.TypeReg {
				h.Name += "=" + string(data)
			}
			got = append(got, h.Name)
		}
		if text := strings.Join(got, " "); strings.TrimPrefix(text, "./ ") != want {
			t.Errorf("%q, want %q", text, want)
		}
	}
	if err := s.Flatten(t.Context(), overlay.LayerID(strings.Repeat("0", 64)), io.Discard); err == nil || !strings.HasPrefix(err.Error(), "read image: ") {
		t.Errorf("of no layer: %v", err)
	}
}
