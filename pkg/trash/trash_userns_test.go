// SPDX-License-Identifier: Apache-2.0

package trash_test

import (
	"os"
	"path/filepath"
	"testing"

	"coracle/internal/testutil/userns"
	"coracle/pkg/state"
	"coracle/pkg/trash"
)

// TestMain runs the tests inside a user namespace, where no worker is needed.
func TestMain(m *testing.M) { userns.Main(m, nil) }

// TestEmpty deletes what was put aside, directories without permissions and all,
// and leaves what somebody is at work on.
func TestEmpty(t *testing.T) {
	d, err := state.Open(filepath.Join(t.TempDir(), "root"))
	if err != nil {
		t.Fatal(err)
	}
	if err := trash.Empty(t.Context(), d); err != nil { // nothing to do
		t.Error(err)
	}
	staging, err := d.Tmp().Stage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	atWork, err := d.Tmp().NewVolume()
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(d.Volumes(), "old")
	if err := os.MkdirAll(filepath.Join(old, "data", "shut", "in"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(old, "data", "shut"), 0); err != nil {
		t.Fatal(err)
	}
	gone, err := d.Tmp().Discard(old)
	if err != nil {
		t.Fatal(err)
	}
	left := func(path string) bool {
		_, err := os.Lstat(path)
		return err == nil
	}
	if err := trash.Empty(t.Context(), d); err != nil || left(gone) || !left(string(atWork)) {
		t.Errorf("%v; the trash is there: %v, what is being made: %v", err, left(gone), left(string(atWork)))
	}
	staging.Release() // and its owner is gone without a word
	if err := trash.Empty(t.Context(), d); err != nil || left(string(atWork)) {
		t.Errorf("%v; what was left unfinished is there: %v", err, left(string(atWork)))
	}
}
