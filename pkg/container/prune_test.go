// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPrune(t *testing.T) {
	s := newStore(t)
	old, kept, bad := mustCreate(t, s, "old"), mustCreate(t, s, "kept"), mustCreate(t, s, "bad")
	if err := errors.Join(os.WriteFile(filepath.Join(s.dirs.Container(old.ID).Upper(), "f"), []byte("12345"), 0o600),
		os.WriteFile(s.dirs.Container(bad.ID).Record(), []byte("no record"), 0o600)); err != nil {
		t.Fatal(err)
	}
	p, err := Prune(t.Context(), s, func(c *Container) bool { return c.Name != "kept" })
	if err != nil || !slices.Equal(p.IDs, []string{old.ID}) || p.Freed != 5 {
		t.Errorf("%+v, %v", p, err)
	}
	var damaged *DamagedError
	if len(p.Failed) != 1 || !errors.As(p.Failed[0], &damaged) || damaged.ID != bad.ID {
		t.Errorf("what cannot be read: %v", p.Failed)
	}
	if _, err := s.Load(kept.ID); err != nil {
		t.Errorf("what was not chosen: %v", err)
	}
	log, err := os.ReadFile(filepath.Join(s.dirs.Root, "events.log"))
	if err != nil || !strings.Contains(string(log), `"reclaimed":"5"`) {
		t.Errorf("events %s, %v", log, err)
	}
	if p, err = Prune(t.Context(), s, func(c *Container) bool { return c.Name != "kept" }); err != nil || len(p.IDs) > 0 {
		t.Errorf("again: %+v, %v", p, err)
	}
}
