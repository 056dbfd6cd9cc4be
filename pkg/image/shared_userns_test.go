// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coracle/pkg/ids"
	"coracle/pkg/image"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
	"coracle/pkg/overlay/shared"
)

// TestSharedStore has an image of another store, and one of ours.
func TestSharedStore(t *testing.T) {
	theirs, ours := newHost(t), newHost(t)
	id := theirs.add(t, "theirs", "lab/tool:1", "busybox")
	own := ours.add(t, "ours", "busybox")
	t.Setenv(shared.Variable, theirs.dirs.Root+":"+filepath.Join(theirs.dirs.Root, "none"))
	if got := ours.names(t, id); got != "lab/tool:1" { // our busybox is the one of that name
		t.Errorf("theirs is here as %q", got)
	}
	det, err := ours.Inspect(t.Context(), "lab/tool:1")
	if err != nil || det.Shared != theirs.dirs.Root || len(det.Layers) != 1 || !strings.HasPrefix(det.LayerDirs[0], theirs.dirs.Root) {
		t.Errorf("%+v, %v", det, err)
	}
	if u, err := ours.Usage(t.Context()); err != nil || len(u.Images) != 1 || u.Images[0].ID != own {
		t.Errorf("they take %+v, %v", u, err)
	}
	var gone image.Removed
	if err := ours.Remove(t.Context(), image.RemoveRequest{Images: []string{"lab/tool:1"}}, func(r image.Removed) { gone = r }); err != nil {
		t.Fatal(err)
	}
	if err := gone.Err(); err == nil || !strings.Contains(err.Error(), "is in the shared store "+theirs.dirs.Root+", which is read-only") {
		t.Errorf("it is removed: %v", err)
	}
	if p, err := ours.Prune(t.Context(), image.PruneRequest{All: true, IDs: []string{id}}); err != nil || len(p.Items)+len(p.Failures) > 0 {
		t.Errorf("pruned %+v, %v", p, err)
	}

	maps, err := ids.Current()
	if err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]bool{0o700: !maps.Single(), 0o755: false} {
		if err := os.Chmod(theirs.dirs.Root, mode); err != nil {
			t.Fatal(err)
		}
		if got := overlay.LoadShared(id).UsedInPlace(); got != want {
			t.Errorf("of a store of mode %o it is used in place: %t", mode, got)
		}
	}

	// A container whose files must be ours takes it over; so does a name.
	var said []string
	lock, held, err := ours.Hold(t.Context(), image.HoldRequest{Name: "lab/tool:1", Pull: image.PullNever, Own: true}, lines(&said))
	if err != nil || held.ID != id || held.Shared != "" || !strings.HasPrefix(held.LayerDirs[0], ours.dirs.Root) {
		t.Fatalf("%+v, %v", held, err)
	}
	lock.Release()
	if len(said) != 1 || said[0] != "Copying layers of the shared store "+theirs.dirs.Root+" (1)" {
		t.Errorf("it said %q", said)
	}
	if data, err := os.ReadFile(filepath.Join(held.LayerDirs[0], "file")); err != nil || string(data) != "theirs" {
		t.Errorf("%q, %v", data, err)
	}
	if err := ours.Tag(t.Context(), image.TagRequest{Image: "lab/tool:1", Name: "mine"}); err != nil {
		t.Error(err)
	}
	t.Setenv(shared.Variable, "")
	if got := ours.names(t, id); got != "lab/tool:1 mine:latest" {
		t.Errorf("without the other store it is %q", got)
	}
}

// TestSharedName has an image that is here and in a shared store, where alone it
// has one of its names.
func TestSharedName(t *testing.T) {
	theirs, ours := newHost(t), newHost(t)
	id := theirs.add(t, "the same", "lab/tool:1")
	t.Setenv(shared.Variable, theirs.dirs.Root)
	if err := ours.Tag(t.Context(), image.TagRequest{Image: "lab/tool:1", Name: "mine"}); err != nil {
		t.Fatal(err)
	}
	remove := func(name string) error {
		t.Helper()
		var gone image.Removed
		if err := ours.Remove(t.Context(), image.RemoveRequest{Images: []string{name}}, func(r image.Removed) { gone = r }); err != nil {
			t.Fatal(err)
		}
		return gone.Err()
	}
	if err := remove("lab/tool:1"); err != nil {
		t.Error(err)
	}
	if got := ours.names(t, id); got != "mine:latest lab/tool:1" {
		t.Errorf("without our name of theirs it is %q", got)
	}
	if det, err := ours.Inspect(t.Context(), "lab/tool:1"); err != nil || det.ID != id || det.Shared != "" {
		t.Errorf("%+v, %v", det, err)
	}
	if err := remove("lab/tool:1"); err == nil || !strings.Contains(err.Error(), "is in the shared store "+theirs.dirs.Root+", which is read-only") {
		t.Errorf("their name is removed: %v", err)
	}
	if err := remove("mine"); err != nil {
		t.Error(err)
	}
	if got := ours.names(t, id); got != "lab/tool:1" {
		t.Errorf("without ours it is %q", got)
	}
	if det, err := ours.Inspect(t.Context(), id); err != nil || det.Shared != theirs.dirs.Root {
		t.Errorf("the copy is there still: %+v, %v", det, err)
	}
}

// TestSharedStoreThatLies has a layer that is not what the configuration says.
func TestSharedStoreThatLies(t *testing.T) {
	theirs, ours := newHost(t), newHost(t)
	theirs.add(t, "theirs", "lab/tool:1")
	t.Setenv(shared.Variable, theirs.dirs.Root)
	det, err := ours.Inspect(t.Context(), "lab/tool:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(det.LayerDirs[0], "file"), []byte("THEIRS"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := ours.Tag(t.Context(), image.TagRequest{Image: "lab/tool:1", Name: "mine"}); err == nil || !strings.Contains(err.Error(), "copy from the shared store "+theirs.dirs.Root) {
		t.Errorf("it is taken over: %v", err)
	}
	var missing *oci.NotFoundError
	if _, err := ours.Inspect(t.Context(), "mine"); !errors.As(err, &missing) {
		t.Errorf("it is here: %v", err)
	}
}
