// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"coracle/pkg/state"
	"coracle/pkg/volume"
)

func madeWith(t *testing.T, s *Store, name string, mounts ...Mount) string {
	t.Helper()
	r := &Record{Name: name, Mounts: mounts}
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return r.ID
}

// TestVolumeUsers: a container uses what its record names, once however often,
// and one that cannot be read uses what its record still names.
func TestVolumeUsers(t *testing.T) {
	d, err := state.Open(t.TempDir() + "/root")
	if err != nil {
		t.Fatal(err)
	}
	s := NewStore(d)
	mounted := func(name string) Mount { return Mount{Type: MountVolume, Name: name, Target: "/" + name} }
	one := madeWith(t, s, "one", mounted("data"), mounted("data"), Mount{Type: MountBind, Name: "bound", Target: "/b"})
	two := madeWith(t, s, "two", mounted("data"), mounted("own"))
	bad := madeWith(t, s, "bad", mounted("data"), mounted("kept"))
	record := d.Container(bad).Record()
	text, err := os.ReadFile(record)
	if err == nil {
		err = os.WriteFile(record, text[:strings.LastIndex(string(text), "kept")+len(`kept"`)], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	users, err := VolumeUsers(d)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"data": {one, two, bad}, "own": {two}, "kept": {bad}, "bound": nil, "dat": nil, "nosuch": nil,
	} {
		got := users(name)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	c, err := s.Load(two)
	if err != nil || !slices.Equal(c.VolumeNames(), []string{"data", "own"}) {
		t.Errorf("%v %v", c.VolumeNames(), err)
	}
}

// TestResolve has what a record says of a mount and what the volume's options say.
func TestResolve(t *testing.T) {
	d, err := state.Open(t.TempDir() + "/root")
	if err != nil {
		t.Fatal(err)
	}
	vs := Volumes(d)
	for name, options := range map[string]map[string]string{
		"own": nil, "there": {"type": "none", "o": "bind,noexec,rslave", "device": "/there"}, "all": {"type": "none", "o": "rbind,ro", "device": "/all"},
		"memory": {"type": "tmpfs", "o": "size=1m", "device": "x"},
	} {
		if _, err := vs.Create(t.Context(), name, nil, options); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		m    Mount
		want string // kind, source, target and subpath, options
	}{
		{Mount{Type: MountBind, Source: "/s", Target: "/t"}, "bind /s /t  rbind rprivate"},
		{Mount{Type: MountVolume, Name: "own", Target: "/t", Subpath: "sub"}, "volume " + vs.DataDir("own") + " /t sub rbind rprivate"},
		{Mount{Type: MountVolume, Name: "there", Target: "/t"}, "bind /there /t  bind rslave noexec"},
		{Mount{Type: MountVolume, Name: "there", Target: "/t", ReadOnly: true, Subpath: "sub"}, "bind /there /t sub bind rslave ro noexec"},
		{Mount{Type: MountVolume, Name: "all", Target: "/t"}, "bind /all /t  rbind rprivate ro"},
		{Mount{Type: MountVolume, Name: "memory", Target: "/t", ReadOnly: true}, "tmpfs  /t  size=1m ro"},
	} {
		m, err := tt.m.Resolve(vs)
		options := m.BindOptions()
		if m.Type == MountTmpfs {
			if options = m.TmpfsOptions; m.ReadOnly {
				options = append(options, "ro")
			}
		}
		got := fmt.Sprintf("%s %s %s %s %s", m.Type, m.Source, m.Target, m.Subpath, strings.Join(options, " "))
		if err != nil || got != tt.want {
			t.Errorf("%+v: %q %v, want %q", tt.m, got, err, tt.want)
		}
	}
	if _, err := (Mount{Type: MountVolume, Name: "memory", Subpath: "sub"}).Resolve(vs); err == nil || !strings.Contains(err.Error(), "mount volume memory: a tmpfs has no subpath") {
		t.Error(err)
	}
	var missing *volume.NotFoundError
	if _, err := (Mount{Type: MountVolume, Name: "nosuch"}).Resolve(vs); !errors.As(err, &missing) {
		t.Error(err)
	}
}
