// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"coracle/pkg/state"
)

func volumeStore(t *testing.T) *Store {
	t.Helper()
	d, err := state.Open(filepath.Join(t.TempDir(), "root"))
	if err != nil {
		t.Fatal(err)
	}
	return NewStore(d)
}

func newVolume(t *testing.T, s *Store, name string) Volume {
	t.Helper()
	lock, err := s.HoldVolumes(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	v, _, err := s.EnsureVolume(name, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestVolumeStaysWhileItIsHeld has a volume removed between the moment that
// create has found it and the moment that the container's record names it.
func TestVolumeStaysWhileItIsHeld(t *testing.T) {
	s := volumeStore(t)
	newVolume(t, s, "vol")
	lock, err := s.HoldVolumes(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if l, err := state.TryAcquire(s.dirs.VolumesLock(), state.Exclusive); !errors.Is(err, state.ErrLocked) {
		l.Release()
		t.Fatalf("what removals take is free: %v", err)
	}
	removed := make(chan error, 1)
	go func() { removed <- s.RemoveVolume("vol") }()
	// While somebody else waits for the volumes, they are still there for us.
	v, made, err := s.EnsureVolume("vol", nil, nil)
	if err != nil || made || v.Name != "vol" {
		t.Fatalf("%+v made %v: %v", v, made, err)
	}
	r := &Record{Name: "user", Mounts: []Mount{{Type: MountVolume, Name: "vol", Target: "/v"}}}
	if err := s.Create(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-removed:
		t.Fatal("the volume was not held:", err)
	default:
	}
	lock.Release()
	if err := <-removed; err == nil || !strings.Contains(err.Error(), "volume is in use - ["+r.ID) {
		t.Errorf("remove: %v", err)
	}
	if _, err := s.LoadVolume("vol"); err != nil {
		t.Error(err)
	}
}

// TestVolumeIsFilledOnce cuts a fill off at each of its steps.
func TestVolumeIsFilledOnce(t *testing.T) {
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
			s := volumeStore(t)
			newVolume(t, s, "vol")
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
				if err := s.FillVolume(context.Background(), Mount{Type: MountVolume, Name: "vol", Target: "/d"}, root); err != nil {
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

// TestVolumeOptions reads the options of Docker's driver local.
func TestVolumeOptions(t *testing.T) {
	s := volumeStore(t)
	for _, tt := range []struct {
		options map[string]string
		want    string // type, source and options of the mount
	}{
		{nil, "volume   "},
		{map[string]string{"type": "none", "o": "bind", "device": "/d"}, "bind /d bind rprivate "},
		{map[string]string{"type": "none", "o": "rbind,nosuid,rslave", "device": "/d"}, "bind /d rbind rslave nosuid "},
		{map[string]string{"type": "ext4", "o": "bind,ro", "device": "/d"}, "bind /d bind rprivate ro "},
		{map[string]string{"type": "tmpfs", "o": "size=1m,ro", "device": "x"}, "tmpfs   size=1m"},
	} {
		m, err := s.volumeSource(Volume{Name: "vol", Options: tt.options})
		got := m.Type + " " + m.Source + " "
		if m.Type == MountBind {
			got += strings.Join(m.BindOptions(), " ")
		}
		got += " " + strings.Join(m.TmpfsOptions, ",")
		if err != nil || got != tt.want {
			t.Errorf("%v: %q %v, want %q", tt.options, got, err, tt.want)
		}
	}
}
