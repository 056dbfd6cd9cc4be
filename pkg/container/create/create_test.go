// SPDX-License-Identifier: Apache-2.0

package create

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"coracle/internal/testutil"
	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
	"coracle/pkg/volume"
)

func newStore(t *testing.T) (*container.Store, *volume.Store) {
	t.Helper()
	d, err := state.Open(filepath.Join(t.TempDir(), "root"))
	if err != nil {
		t.Fatal(err)
	}
	return container.NewStore(d), container.Volumes(d)
}

// asked is the request for a container with binds.
func asked(name string, binds ...string) docker.CreateRequest {
	var q docker.CreateRequest
	q.Name, q.Image, q.Cmd, q.HostConfig.Binds = name, "example", []string{"true"}, binds
	return q
}

func create(ctx context.Context, cs *container.Store, q docker.CreateRequest) (*container.Container, error) {
	return Create(ctx, cs, state.NewID(), q, Images{
		Resolve: func(context.Context, func() error) (*state.Lock, overlay.Details, error) {
			return nil, overlay.Details{Config: json.RawMessage("{}")}, nil
		},
	}, func([]docker.Warning) {})
}

func volumes(t *testing.T, vs *volume.Store) (names []string) {
	t.Helper()
	list, err := vs.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range list {
		names = append(names, v.Name)
	}
	return names
}

// lockElsewhere takes a lock as another process does: it is none that this
// goroutine holds while it waits for others.
func lockElsewhere(t *testing.T, file state.LockFile) *state.Lock {
	t.Helper()
	var lock *state.Lock
	var err error
	var other sync.WaitGroup
	other.Go(func() { lock, err = state.TryAcquire(file, state.Exclusive) })
	if other.Wait(); err != nil {
		t.Fatal(err)
	}
	return lock
}

// TestVolumesAreHeld: from before a volume is found until the record names it,
// nobody may remove one.
func TestVolumesAreHeld(t *testing.T) {
	cs, vs := newStore(t)
	d := cs.Dirs()
	names := lockElsewhere(t, d.NamesLock()) // creation stops here
	defer names.Release()
	type result struct {
		c   *container.Container
		err error
	}
	made := make(chan result, 1)
	go func() {
		c, err := create(context.Background(), cs, asked("web", "data:/v"))
		made <- result{c, err}
	}()
	testutil.Eventually(t, "the container is being made", func() bool {
		begun, err := filepath.Glob(string(d.Tmp().Container("*")))
		return err == nil && len(begun) > 0
	})
	now, cancel := context.WithCancel(t.Context())
	cancel() // nobody waits
	if err := vs.Remove(now, "data"); !errors.Is(err, state.ErrLocked) {
		t.Errorf("remove of a volume of a container that has no record yet: %v", err)
	}
	names.Release()
	got := <-made
	if got.err != nil {
		t.Fatal(got.err)
	}
	var used *volume.InUseError
	if err := vs.Remove(t.Context(), "data"); !errors.As(err, &used) || !slices.Equal(used.Users, []string{got.c.ID}) {
		t.Errorf("remove: %v", err)
	}
}

// TestRefusedLeavesNoVolume: a container that is not made leaves none of its new
// volumes, and those that were there before.
func TestRefusedLeavesNoVolume(t *testing.T) {
	cs, vs := newStore(t)
	if _, err := create(t.Context(), cs, asked("web", "old:/old")); err != nil {
		t.Fatal(err)
	}
	var taken *container.NameTakenError
	if _, err := create(t.Context(), cs, asked("web", "old:/old", "new:/new", "/anonymous")); !errors.As(err, &taken) {
		t.Errorf("the same name again: %v", err)
	}
	if _, err := create(t.Context(), cs, asked("other", "new:/a", "-bad:/b")); err == nil {
		t.Error("a volume of a bad name was made")
	}
	if got := volumes(t, vs); !slices.Equal(got, []string{"old"}) {
		t.Errorf("volumes: %v", got)
	}
}

// TestVolumesFrom: a volume of another container that has gone with it is not
// made again for who wanted to share it.
func TestVolumesFrom(t *testing.T) {
	cs, vs := newStore(t)
	first, err := create(t.Context(), cs, asked("first", "/data"))
	if err != nil {
		t.Fatal(err)
	}
	names := first.VolumeNames()
	r := &container.Record{Name: "second", Mounts: slices.Clone(first.Mounts)}
	r.Mounts[0].Inherited = true
	if err := withVolumes(t.Context(), cs, r); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(cs.Remove(t.Context(), first), vs.RemoveAnonymous(t.Context(), names)); err != nil {
		t.Fatal(err)
	}
	if got := volumes(t, vs); !slices.Equal(got, names) {
		t.Errorf("the second has it still: %v", got)
	}
	second, err := cs.Lookup("second")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(cs.Remove(t.Context(), second), vs.RemoveAnonymous(t.Context(), names)); err != nil {
		t.Fatal(err)
	}
	third := &container.Record{Name: "third", Mounts: r.Mounts}
	var missing *volume.NotFoundError
	if err := withVolumes(t.Context(), cs, third); !errors.As(err, &missing) || !strings.Contains(err.Error(), "no such volume") {
		t.Errorf("a volume that is gone: %v", err)
	}
	if got := volumes(t, vs); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestRefusesBeforeItPulls(t *testing.T) {
	cs, _ := newStore(t)
	pulled := false
	pulling := Images{Resolve: func(_ context.Context, check func() error) (*state.Lock, overlay.Details, error) {
		if err := check(); err != nil {
			return nil, overlay.Details{}, err
		}
		pulled = true
		return nil, overlay.Details{Config: json.RawMessage("{}")}, nil
	}}
	made := func(change func(*docker.CreateRequest)) error {
		q := asked("one")
		change(&q)
		_, err := Create(t.Context(), cs, state.NewID(), q, pulling, func([]docker.Warning) {})
		return err
	}
	for what, change := range map[string]func(*docker.CreateRequest){
		"a bind":       func(q *docker.CreateRequest) { q.HostConfig.Binds = []string{"a:b:c:d"} },
		"a capability": func(q *docker.CreateRequest) { q.HostConfig.CapAdd = []string{"NET_EVERYTHING"} },
	} {
		if err := made(change); err == nil || pulled {
			t.Errorf("with %s that cannot be: %v; pulled: %v", what, err, pulled)
		}
	}
	if err := made(func(q *docker.CreateRequest) { q.Cmd = nil }); err == nil || !pulled {
		t.Errorf("without a command, which an image may have: %v; pulled: %v", err, pulled)
	}
}
