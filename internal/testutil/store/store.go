// SPDX-License-Identifier: Apache-2.0

// Package store opens what the program keeps in files, for one test: directories
// that are nobody else's, and go with it.
package store

import (
	"path/filepath"
	"testing"

	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// Dirs are the directories of a test, with a run directory of its own.
func Dirs(t testing.TB) state.Dirs {
	t.Helper()
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("TMPDIR", t.TempDir())
	d, err := state.Open(filepath.Join(t.TempDir(), "root"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Open opens the layers and images below d, until the test ends.
//
// Preconditions: those of [overlay.Open].
func Open(t testing.TB, d state.Dirs, o overlay.Options) *overlay.Store {
	t.Helper()
	st, err := overlay.Open(d, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}
