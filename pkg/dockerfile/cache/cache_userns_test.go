// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"coracle/internal/testutil/userns"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

func TestMain(m *testing.M) { userns.Main(m, nil) }

func newStore(t *testing.T) *overlay.Store {
	t.Helper()
	t.Setenv("XDG_RUNTIME_DIR", "")
	d, err := state.Open(filepath.Join(t.TempDir(), "root"))
	if err != nil {
		t.Fatal(err)
	}
	st, err := overlay.OpenInside(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// layer is a new one with a file of so many bytes.
func layer(t *testing.T, st *overlay.Store, size int) overlay.LayerID {
	t.Helper()
	d, err := st.NewDir()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Discard()
	if err := os.WriteFile(filepath.Join(d.Upper, "f"), []byte(strings.Repeat("x", size)), 0o644); err != nil {
		t.Fatal(err)
	}
	staged, err := st.StageDir(t.Context(), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	id, err := st.Commit(staged, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestFind(t *testing.T) {
	st := newStore(t)
	c, off := Open(st, false), Open(st, true)
	key := NewKey("", "a")
	if _, ok := c.Find(key); ok {
		t.Error("an empty cache has a layer")
	}
	id := layer(t, st, 1)
	if err := off.Remember(key, id); err != nil { // it keeps what it makes
		t.Fatal(err)
	}
	if got, ok := c.Find(key); !ok || got != id {
		t.Errorf("found %q, %t, want %q", got, ok, id)
	}
	if got, ok := off.Find(key); ok {
		t.Errorf("a cache that is off has %q", got)
	}
	if err := c.Remember(NewKey("", "b"), "no layer"); err != nil {
		t.Fatal(err)
	}
	if got, ok := c.Find(NewKey("", "b")); ok {
		t.Errorf("found %q, which is no layer", got)
	}
	if got, err := Layers(st.Dirs().BuildCache()); err != nil || len(got) != 2 || !got[id] {
		t.Errorf("the cache speaks of %v, %v", got, err)
	}
}

// The same configuration has one time, until the cache forgets it.
func TestFirstBuilt(t *testing.T) {
	st := newStore(t)
	c := Open(st, false)
	one, other := digest.FromString("1"), digest.FromString("2")
	first := c.FirstBuilt(one)
	if time.Since(first) > time.Hour || !c.FirstBuilt(one).Equal(first) || !Open(st, false).FirstBuilt(one).Equal(first) {
		t.Errorf("first built at %v, then at %v", first, c.FirstBuilt(one))
	}
	if c.FirstBuilt(other).Equal(first) {
		t.Error("another configuration has the same time")
	}
	if again := Open(st, true).FirstBuilt(one); again.Equal(first) {
		t.Error("a cache that is off knows the time")
	}
}

// full is a cache of three layers, the first of which is also an image's, and a
// cache mount; each is as old as its number of hours from the end.
func full(t *testing.T, st *overlay.Store) []Record {
	t.Helper()
	c := Open(st, false)
	now := time.Now()
	for i, size := range []int{1000, 20000, 300000} {
		id := layer(t, st, size)
		key := NewKey("", string(id))
		if err := c.keep(key, record{Layer: id, Created: now.Add(time.Duration(i-4) * time.Hour)}); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			continue
		}
		dgst, err := st.DiffID(id)
		if err == nil {
			_, err = st.CreateImage(t.Context(), overlay.NewImage{
				Config: []byte(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["` + dgst.String() + `"]}}`), Layers: []overlay.LayerID{id},
			})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	mount := filepath.Join(st.Dirs().CacheMounts(), strings.Repeat("c", 64))
	at := now.Add(-time.Hour)
	err := errors.Join(os.Mkdir(mount, 0o755), os.WriteFile(filepath.Join(mount, "f"), make([]byte, 5000), 0o600), os.Chtimes(mount, at, at),
		os.WriteFile(mount+".lock", nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return use(t, st)
}

func use(t *testing.T, st *overlay.Store) []Record {
	t.Helper()
	list, err := Use(st)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestUse(t *testing.T) {
	st := newStore(t)
	if list := use(t, st); len(list) > 0 {
		t.Errorf("an empty cache has %+v", list)
	}
	Open(st, false).FirstBuilt(digest.FromString("x")) // a memory is no record
	list := full(t, st)
	if len(list) != 4 || !slices.IsSortedFunc(list, func(a, b Record) int { return a.Created.Compare(b.Created) }) {
		t.Fatalf("the cache has %+v", list)
	}
	for i, r := range list {
		kind := "regular"
		if i == 3 {
			kind = mountType
		}
		if r.Type != kind || r.Shared != (i == 0) || len(r.ID) != 64 || r.Used.IsZero() {
			t.Errorf("record %d is %+v", i, r)
		}
	}
	if list[1].Size < 20000 || list[2].Size < 300000 || list[3].Size != 5000 || Size(list) != list[1].Size+list[2].Size+list[3].Size {
		t.Errorf("sizes are %d, %d, %d, in all %d", list[1].Size, list[2].Size, list[3].Size, Size(list))
	}
}

func TestPrune(t *testing.T) {
	any := func(Record) bool { return true }
	of := func(n int) func([]Record) func(Record) bool {
		return func(list []Record) func(Record) bool { return func(r Record) bool { return r.ID == list[n].ID } }
	}
	for what, tt := range map[string]struct {
		choose func([]Record) func(Record) bool
		keep   func([]Record) int64
		left   []int // records, the oldest first
	}{
		"all":                {nil, nil, nil},
		"all that is chosen": {func([]Record) func(Record) bool { return any }, nil, nil},
		"none":               {func([]Record) func(Record) bool { return func(Record) bool { return false } }, nil, []int{0, 1, 2, 3}},
		"one":                {of(1), nil, []int{0, 2, 3}},
		"an image's":         {of(0), nil, []int{1, 2, 3}},
		"a mount":            {of(3), nil, []int{0, 1, 2}},
		"what fits stays":    {nil, func(l []Record) int64 { return l[2].Size + l[3].Size }, []int{2, 3}},
		"everything fits":    {nil, func([]Record) int64 { return 1 << 40 }, []int{0, 1, 2, 3}},
		"one, if it need be": {of(2), func(l []Record) int64 { return Size(l) }, []int{0, 1, 2, 3}},
	} {
		st := newStore(t)
		list := full(t, st)
		var choose func(Record) bool
		if tt.choose != nil {
			choose = tt.choose(list)
		}
		var keep int64
		if tt.keep != nil {
			keep = tt.keep(list)
		}
		freed, err := Prune(t.Context(), st, choose, keep)
		left := use(t, st)
		var want []Record
		for _, i := range tt.left {
			want = append(want, list[i])
		}
		same := slices.EqualFunc(left, want, func(a, b Record) bool { return a.ID == b.ID })
		if err != nil || !same || freed != Size(list)-Size(left) {
			t.Errorf("%s: %d bytes, %v; left %+v", what, freed, err, left)
		}
		layers, err := st.Usage()
		if wants := 1 + len(slices.DeleteFunc(slices.Clone(want), func(r Record) bool { return r.Shared || r.Type == mountType })); err != nil || len(layers) != wants {
			t.Errorf("%s: %d layers are left, %v, want %d", what, len(layers), err, wants)
		}
	}
}

// Whoever prunes waits for the builds, and they for it.
func TestLock(t *testing.T) {
	st := newStore(t)
	full(t, st)
	held, err := Lock(t.Context(), st.Dirs(), state.Shared)
	if err != nil {
		t.Fatal(err)
	}
	if lock, err := state.TryAcquire(st.Dirs().BuildLock(), state.Exclusive); !errors.Is(err, state.ErrLocked) {
		lock.Release()
		t.Errorf("a build holds the cache: %v", err)
	}
	held.Release()
	if _, err := Prune(t.Context(), st, nil, 0); err != nil {
		t.Error(err)
	}
	if lock, err := state.TryAcquire(st.Dirs().BuildLock(), state.Exclusive); err != nil {
		t.Errorf("the lock is gone with the cache, or held: %v", err)
	} else {
		lock.Release()
	}
}

func TestClear(t *testing.T) {
	dir := t.TempDir()
	err := errors.Join(os.WriteFile(filepath.Join(dir, "a.json"), nil, 0o600), os.MkdirAll(filepath.Join(dir, "b.json", "d"), 0o700),
		os.WriteFile(filepath.Join(dir, "x.sums"), nil, 0o600), os.WriteFile(filepath.Join(dir, lockName), nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	n, err := Clear(dir)
	left, rerr := os.ReadDir(dir)
	if n != 2 || err != nil || rerr != nil || len(left) != 1 || left[0].Name() != lockName {
		t.Errorf("cleared %d, %v; left %v, %v", n, err, left, rerr)
	}
	if _, err := Clear(dir + "/none"); err == nil {
		t.Error("what is not there was cleared")
	}
}
