// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"coracle/pkg/state"
)

// TestNeedsFill spares a worker where the image has nothing for a volume, and
// never where it may have something.
func TestNeedsFill(t *testing.T) {
	d, err := state.Open(t.TempDir() + "/root")
	if err != nil {
		t.Fatal(err)
	}
	base, top := t.TempDir(), t.TempDir()
	err = errors.Join(
		os.MkdirAll(filepath.Join(base, "var", "lib"), 0o755), os.WriteFile(filepath.Join(base, "file"), nil, 0o600),
		os.Symlink("/var/lib", filepath.Join(base, "link")), os.MkdirAll(filepath.Join(top, "data"), 0o755),
		os.MkdirAll(filepath.Join(top, "shut", "in"), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	vs := Volumes(d)
	for _, name := range []string{"empty", "full"} {
		if _, err := vs.Create(t.Context(), name, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(vs.DataDir("full"), "f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(target string) Mount { return Mount{Type: MountVolume, Name: "empty", Target: target} }
	noCopy, sub, full := at("/data"), at("/data"), at("/data")
	noCopy.NoCopy, sub.Subpath, full.Name = true, "x", "full"
	for _, tt := range []struct {
		m    Mount
		want bool
	}{
		{at("/data"), true}, {at("/var/lib"), true}, {at("/link"), true}, {at("/link/deeper"), true},
		{at("/nosuch"), false}, {at("/file"), false}, {at("/file/x"), false}, {at("/var/lib/x"), false},
		{noCopy, false}, {sub, false}, {full, false}, {Mount{Type: MountBind, Source: "/", Target: "/data"}, false},
	} {
		c := &Container{Record: Record{LayerDirs: []string{base, top}, Mounts: []Mount{tt.m}}}
		if got := c.needsFill(vs); got != tt.want {
			t.Errorf("%+v: %v", tt.m, got)
		}
	}
	if os.Getuid() == 0 {
		return
	}
	if err := os.Chmod(filepath.Join(top, "shut"), 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filepath.Join(top, "shut"), 0o700)
	if c := (&Container{Record: Record{LayerDirs: []string{top}}}); !c.mayHaveContent("/shut/in") {
		t.Error("what cannot be looked at has nothing")
	}
}
