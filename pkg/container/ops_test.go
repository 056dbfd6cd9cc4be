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
	if err := os.MkdirAll(s.DataDir("v"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.DataDir("v")+"/f", []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := s.MeasureVolume(t.Context(), "v"); n != 5 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if all, err := s.Sizes(t.Context(), nil); len(all) != 0 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
	if err := s.Sweep(t.Context()); err != nil { // nothing to do
		t.Error(err)
	}
}
