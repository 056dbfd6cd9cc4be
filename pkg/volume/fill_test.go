// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"coracle/pkg/state"
)

// TestFilledOnce cuts a fill off at each of its steps.
func TestFilledOnce(t *testing.T) {
	past := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	for name, prepare := range map[string]func(dir state.VolumeDir) error{
		"from nothing": func(state.VolumeDir) error { return nil },
		"while it was prepared": func(dir state.VolumeDir) error {
			return errors.Join(os.Mkdir(dir.NewFill(), 0o700), os.WriteFile(filepath.Join(dir.NewFill(), "a"), []byte("ha"), 0o600))
		},
		"while it was moved": func(dir state.VolumeDir) error {
			return errors.Join(os.Mkdir(dir.Fill(), 0o750), os.WriteFile(filepath.Join(dir.Fill(), "b"), []byte("b"), 0o640),
				os.Chtimes(dir.Fill(), past, past), os.WriteFile(filepath.Join(dir.Data(), "a"), []byte("a"), 0o640))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newStore(t)
			create(t, s, "vol", nil)
			image := t.TempDir()
			content := filepath.Join(image, "d")
			err := errors.Join(os.Mkdir(content, 0o750), os.WriteFile(filepath.Join(content, "a"), []byte("a"), 0o640),
				os.WriteFile(filepath.Join(content, "b"), []byte("b"), 0o640), os.Chtimes(content, past, past), prepare(s.dirs.Volume("vol")))
			if err != nil {
				t.Fatal(err)
			}
			root, err := os.Open(image)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			for range 2 {
				if err := s.Fill(t.Context(), "vol", "/d", root); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range []string{"a", "b"} {
				if text, err := os.ReadFile(filepath.Join(s.DataDir("vol"), f)); err != nil || string(text) != f {
					t.Errorf("%s: %q %v", f, text, err)
				}
			}
			if info, err := os.Stat(s.DataDir("vol")); err != nil || info.Mode().Perm() != 0o750 || !info.ModTime().Equal(past) {
				t.Errorf("the volume itself: %v %v", info, err)
			}
			left, err := os.ReadDir(string(s.dirs.Volume("vol")))
			if err != nil || len(left) != 3 { // data, lock, volume.json
				t.Errorf("left: %v %v", left, err)
			}
		})
	}
}
