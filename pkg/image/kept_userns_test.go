// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"testing"

	"coracle/pkg/ids"
	"coracle/pkg/image"
	"coracle/pkg/overlay"
)

// TestCopiesForKeptIDs: what the copies of layers take is shown, and goes with a prune
// unless a container has the image.
func TestCopiesForKeptIDs(t *testing.T) {
	if m, err := ids.Current(); err != nil || m.Single() {
		t.Skip("there is one id only")
	}
	h := newHost(t)
	id := h.add(t, "text", "a")
	det, err := h.Inspect(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		t.Helper()
		u, err := h.Usage(t.Context())
		if err != nil || len(u.Images) != 1 || u.Images[0].Size != u.Layers {
			t.Fatalf("%+v, %v", u, err)
		}
		return u.Layers
	}
	once := size()
	for _, k := range []ids.Keep{{UID: 10, GID: 20}, {UID: 11, GID: 20}} {
		if err := overlay.KeepLayers(t.Context(), det.LayerDirs, k); err != nil {
			t.Fatal(err)
		}
	}
	if got := size(); got != 3*once {
		t.Errorf("with two copies %d bytes, without %d", got, once)
	}
	h.used = []image.User{{ID: id}}
	if p, err := h.Prune(t.Context(), image.PruneRequest{}); err != nil || p.Freed != 0 || size() != 3*once {
		t.Errorf("while a container has it: %+v, %v", p, err)
	}
	h.used = nil
	if p, err := h.Prune(t.Context(), image.PruneRequest{}); err != nil || p.Freed != 2*once || len(p.Items) > 0 || size() != once {
		t.Errorf("%+v, %v", p, err)
	}
}
