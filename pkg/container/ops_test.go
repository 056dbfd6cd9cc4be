// SPDX-License-Identifier: Apache-2.0

package container

import (
	"os"
	"testing"

	"coracle/pkg/state"
)

// TestMeasuresByItselfWhatItCanRead: no worker is there to be asked.
func TestMeasuresByItselfWhatItCanRead(t *testing.T) {
	d, err := state.Open(t.TempDir() + "/root")
	if err != nil {
		t.Fatal(err)
	}
	s := NewStore(d)
	r := &Record{Name: "box"}
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	c, err := s.Load(r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.dir.Upper()+"/f", []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Sizes(t.Context(), []*Container{c}); len(all) != 1 || all[r.ID] != 5 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
}
