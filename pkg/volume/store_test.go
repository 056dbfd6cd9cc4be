// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"coracle/pkg/state"
)

// crew stands for the containers of a root: a file each, with the names of the
// volumes that it has, below run/crew.
type crew struct{ dir string }

func crewOf(d state.Dirs) crew { return crew{filepath.Join(d.Root, "crew")} }

// users is a [Users].
func users(d state.Dirs) (func(string) []string, error) {
	c := crewOf(d)
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, err
	}
	has := map[string][]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(c.dir, e.Name()))
		if err != nil {
			continue // it is gone
		}
		for _, name := range strings.Fields(string(text)) {
			has[name] = append(has[name], e.Name())
		}
	}
	return func(name string) []string { return has[name] }, nil
}

// add makes a container, by one rename as the true ones are.
func (c crew) add(id string, volumes ...string) error {
	tmp := filepath.Join(c.dir, "..", "tmp", "crew-"+id)
	return errors.Join(os.WriteFile(tmp, []byte(strings.Join(volumes, " ")), 0o600), os.Rename(tmp, filepath.Join(c.dir, id)))
}

func (c crew) remove(id string) error { return os.Remove(filepath.Join(c.dir, id)) }

func open(root string) (*Store, error) {
	d, err := state.Open(root)
	if err != nil {
		return nil, err
	}
	return NewStore(d, users), os.MkdirAll(crewOf(d).dir, 0o700)
}

func newStore(t *testing.T) (*Store, crew) {
	t.Helper()
	s, err := open(filepath.Join(t.TempDir(), "root"))
	if err != nil {
		t.Fatal(err)
	}
	return s, crewOf(s.dirs)
}

func create(t *testing.T, s *Store, name string, options map[string]string) Volume {
	t.Helper()
	v, err := s.Create(t.Context(), name, nil, options)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func names(t *testing.T, s *Store) string {
	t.Helper()
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, v := range list {
		all = append(all, v.Name)
	}
	return strings.Join(all, " ")
}

func TestCreate(t *testing.T) {
	s, _ := newStore(t)
	labels := map[string]string{"k": "v"}
	v, err := s.Create(t.Context(), "data", labels, map[string]string{"type": "tmpfs", "device": "x"})
	if err != nil || v.Name != "data" || v.Anonymous || v.Labels["k"] != "v" || v.Created.IsZero() {
		t.Fatalf("%+v %v", v, err)
	}
	// The second asks for something else, and has what is there.
	again, err := s.Create(t.Context(), "data", nil, nil)
	if err != nil || !again.Created.Equal(v.Created) || again.Labels["k"] != "v" || again.Options["type"] != "tmpfs" {
		t.Errorf("again: %+v %v", again, err)
	}
	anonymous := create(t, s, "", nil)
	if !state.IsID(anonymous.Name) || !anonymous.Anonymous {
		t.Errorf("anonymous: %+v", anonymous)
	}
	if got, err := s.Load(anonymous.Name); err != nil || !got.Anonymous {
		t.Errorf("anonymous, read: %+v %v", got, err)
	}
	if info, err := os.Stat(s.DataDir("data")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("its directory: %v %v", info, err)
	}
	if got := names(t, s); len(strings.Fields(got)) != 2 {
		t.Errorf("volumes: %q", got)
	}
	if left, _ := os.ReadDir(string(s.dirs.Tmp())); len(left) != 0 {
		t.Errorf("left in tmp: %v", left)
	}
}

func TestCreateRefuses(t *testing.T) {
	s, _ := newStore(t)
	for name, want := range map[string]string{
		"v":                      "create v: volume name is too short",
		"-v":                     `create -v: "-v" includes invalid characters for a local volume name`,
		"a/b":                    "includes invalid characters",
		"../x":                   "includes invalid characters",
		"a\nb":                   "includes invalid characters",
		strings.Repeat("a", 256): "includes invalid characters",
	} {
		if _, err := s.Create(t.Context(), name, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
	if _, err := s.Create(t.Context(), "bad", nil, map[string]string{"type": "ext4", "device": "/dev/x"}); err == nil {
		t.Error("a volume of a device of the host's was made")
	}
	if got := names(t, s); got != "" {
		t.Errorf("refused volumes are there: %q", got)
	}
}

// TestDamaged has the records of volumes broken: they are listed, not used, not
// pruned, and can be removed.
func TestDamaged(t *testing.T) {
	s, _ := newStore(t)
	create(t, s, "good", nil)
	bad := map[string]string{
		"cut": `{"name":`, "other": `{"name":"good"}`, "null": "null", "options": `{"name":"options","options":{"type":"x"}}`,
		"odd name": `{"name":"odd name"}`,
	}
	for name, text := range bad {
		dir := s.dirs.Volume(name)
		if err := errors.Join(os.Mkdir(string(dir), 0o700), os.WriteFile(dir.Record(), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(string(s.dirs.Volume("empty")), 0o700); err != nil {
		t.Fatal(err)
	}
	bad["empty"] = ""
	list, err := s.List()
	if err != nil || len(list) != 1+len(bad) {
		t.Fatalf("%v %v", list, err)
	}
	for _, v := range list {
		if (v.Damaged != nil) != (v.Name != "good") {
			t.Errorf("%s: %v", v.Name, v.Damaged)
		}
	}
	if p, err := s.Prune(t.Context(), func(v Volume) bool { return v.Name != "good" }); err != nil || len(p.Names)+len(p.Failed) != 0 {
		t.Errorf("prune: %+v %v", p, err)
	}
	for name := range bad {
		_, err := s.Load(name)
		var damaged *DamagedError
		if !errors.As(err, &damaged) || damaged.Name != name || !strings.Contains(damaged.Hint(), "volume rm "+name) || errors.Unwrap(damaged) == nil {
			t.Errorf("load %s: %v", name, err)
		}
		if _, err := s.Source(name); !errors.As(err, &damaged) {
			t.Errorf("source of %s: %v", name, err)
		}
		if _, err := s.Create(t.Context(), name, nil, nil); name != "odd name" && !errors.As(err, &damaged) {
			t.Errorf("create %s: %v", name, err)
		}
		if err := s.Remove(t.Context(), name); err != nil {
			t.Errorf("remove %s: %v", name, err)
		}
	}
	if got := names(t, s); got != "good" {
		t.Errorf("left: %q", got)
	}
}

// TestNoEntry: what a user types never leads to a file that is no volume.
func TestNoEntry(t *testing.T) {
	s, _ := newStore(t)
	if err := os.WriteFile(filepath.Join(s.dirs.Root, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", ".", "..", ".lock", "../file", "a/b", "nosuch", "x\x00y", strings.Repeat("n", 256)} {
		var missing *NotFoundError
		if _, err := s.Load(name); !errors.As(err, &missing) || err.Error() != "get "+name+": no such volume" {
			t.Errorf("load %q: %v", name, err)
		}
		if err := s.Remove(t.Context(), name); !errors.As(err, &missing) {
			t.Errorf("remove %q: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(s.dirs.Root, "file")); err != nil {
		t.Error(err)
	}
}

func TestRemove(t *testing.T) {
	s, c := newStore(t)
	create(t, s, "data", nil)
	if err := os.WriteFile(filepath.Join(s.DataDir("data"), "f"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.add("one", "other", "data"), c.add("two", "data")); err != nil {
		t.Fatal(err)
	}
	err := s.Remove(t.Context(), "data")
	var used *InUseError
	if !errors.As(err, &used) || !slices.Equal(used.Users, []string{"one", "two"}) || err.Error() != "remove data: volume is in use - [one two]" {
		t.Errorf("in use: %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.DataDir("data"), "f")); err != nil {
		t.Error(err)
	}
	if err := errors.Join(c.remove("one"), c.remove("two")); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), "data"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(string(s.dirs.Volume("data"))); !os.IsNotExist(err) {
		t.Error("it is still there:", err)
	}
	if left, _ := os.ReadDir(string(s.dirs.Tmp())); len(left) != 0 {
		t.Errorf("left in tmp: %v", left)
	}
}

// TestRemoveAnonymous: those alone that were made for one container, and that no
// other has.
func TestRemoveAnonymous(t *testing.T) {
	s, c := newStore(t)
	mine, shared := create(t, s, "", nil).Name, create(t, s, "", nil).Name
	create(t, s, "named", nil)
	if err := c.add("other", shared); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds nothing to do
		if err := s.RemoveAnonymous(t.Context(), []string{mine, shared, "named", "nosuch"}); err != nil {
			t.Error(err)
		}
	}
	want := []string{shared, "named"}
	slices.Sort(want)
	if got := names(t, s); got != strings.Join(want, " ") {
		t.Errorf("left: %s, want %s", got, want)
	}
}

func TestPrune(t *testing.T) {
	s, c := newStore(t)
	for i, name := range []string{"free", "used", "kept"} {
		create(t, s, name, nil)
		if err := os.WriteFile(filepath.Join(s.DataDir(name), "f"), make([]byte, 1000*(i+1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.add("one", "used"); err != nil {
		t.Fatal(err)
	}
	sizes, err := s.Sizes(t.Context(), []string{"free", "used", "nosuch"})
	if got := fmt.Sprint(sizes); err != nil || got != "map[free:1000 nosuch:0 used:2000]" {
		t.Errorf("sizes: %s %v", got, err)
	}
	p, err := s.Prune(t.Context(), func(v Volume) bool { return v.Name != "kept" })
	if err != nil || !slices.Equal(p.Names, []string{"free"}) || p.Freed != 1000 || len(p.Failed) != 0 {
		t.Errorf("%+v %v", p, err)
	}
	if got := names(t, s); got != "kept used" {
		t.Errorf("left: %q", got)
	}
	if left, _ := os.ReadDir(string(s.dirs.Tmp())); len(left) != 0 {
		t.Errorf("left in tmp: %v", left)
	}
}

// TestUsersUnknown: where it cannot be said who has them, volumes stay.
func TestUsersUnknown(t *testing.T) {
	s, c := newStore(t)
	create(t, s, "data", nil)
	anonymous := create(t, s, "", nil).Name
	if err := os.Remove(c.dir); err != nil {
		t.Fatal(err)
	}
	_, err := s.Prune(t.Context(), func(Volume) bool { return true })
	for what, err := range map[string]error{
		"remove": s.Remove(t.Context(), "data"), "prune": err, "anonymous": s.RemoveAnonymous(t.Context(), []string{anonymous}),
	} {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := names(t, s); len(strings.Fields(got)) != 2 {
		t.Errorf("left: %q", got)
	}
}
