// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"coracle/internal/testutil"
	"coracle/internal/testutil/store"
	"coracle/pkg/state"
)

func newStore(t *testing.T) *Store {
	t.Helper()
	d := store.Dirs(t)
	return NewStore(d)
}

func mustCreate(t *testing.T, s *Store, name string) *Record {
	t.Helper()
	r := &Record{Name: name}
	if err := s.Create(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLookup(t *testing.T) {
	s := newStore(t)
	web := mustCreate(t, s, "web")
	for _, arg := range []string{"web", "/web", web.ID, web.ID[:12], web.ID[:1]} {
		c, err := s.Lookup(arg)
		if err != nil || c.ID != web.ID {
			t.Errorf("lookup %q: %v", arg, err)
		}
	}
	for _, arg := range []string{"", "/", "we", "../web", "a/b"} {
		var missing *NotFoundError
		if _, err := s.Lookup(arg); !errors.As(err, &missing) {
			t.Errorf("lookup %q: %v, want no such container", arg, err)
		}
	}
	twin := &Record{Name: "twin", ID: web.ID[:63] + "0"}
	if twin.ID == web.ID {
		twin.ID = web.ID[:63] + "1"
	}
	if err := s.Create(context.Background(), twin); err != nil {
		t.Fatal(err)
	}
	var several *AmbiguousError
	if _, err := s.Lookup(web.ID[:12]); !errors.As(err, &several) {
		t.Errorf("lookup of a shared prefix: %v", err)
	}
}

func TestNameIsTakenUntilItsContainerIsGone(t *testing.T) {
	s := newStore(t)
	first := mustCreate(t, s, "web")
	var taken *NameTakenError
	if err := s.Create(context.Background(), &Record{Name: "web"}); !errors.As(err, &taken) || taken.ID != first.ID {
		t.Fatalf("second container of one name: %v", err)
	}
	left, err := os.ReadDir(string(s.Dirs().Tmp()))
	if err != nil || len(left) > 0 {
		t.Errorf("a refused create leaves %v, %v", left, err)
	}
	c, err := s.Lookup("web")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, s, "web")
}

// TestRecordsWaitForNobody: of several containers that are made at once each has its
// record on the disk before one waits for the other.
// TestLoadBesideRemoval reads containers that are just removed: each is there as it was,
// or not at all, and never as one that has not been started.
func TestLoadBesideRemoval(t *testing.T) {
	s := newStore(t)
	for range 60 {
		c := &Container{Record: *mustCreate(t, s, "web")}
		if err := s.WriteState(c.ID, State{Status: Exited, ExitCode: 5}, false); err != nil {
			t.Fatal(err)
		}
		var readers sync.WaitGroup
		for range 2 {
			readers.Go(func() {
				for {
					now, err := s.Load(c.ID)
					var missing *NotFoundError
					switch {
					case errors.As(err, &missing):
						return
					case err != nil || now.State.Status != Exited || now.State.ExitCode != 5:
						t.Errorf("%+v, %v", now, err)
						return
					}
				}
			})
		}
		if err := s.Remove(t.Context(), c); err != nil {
			t.Error(err)
		}
		readers.Wait()
	}
}

func TestRecordsWaitForNobody(t *testing.T) {
	s := newStore(t)
	var lock *state.Lock
	var err error
	var other, makers sync.WaitGroup
	other.Go(func() { lock, err = state.TryAcquire(s.Dirs().NamesLock(), state.Exclusive) })
	if other.Wait(); err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	list := []*Record{{Name: "one"}, {Name: "two"}, {}, {Life: Life{AutoRemove: true}}}
	for _, r := range list {
		makers.Go(func() {
			if err := s.Create(context.Background(), r); err != nil {
				t.Error(err)
			}
		})
	}
	testutil.Eventually(t, "all records are written", func() bool {
		written, err := filepath.Glob(s.Dirs().Tmp().Container("*").Record())
		return err == nil && len(written) == len(list)
	})
	if ids, err := s.IDs(); err != nil || len(ids) > 0 {
		t.Errorf("containers without the names: %v, %v", ids, err)
	}
	lock.Release()
	makers.Wait()
	for _, r := range list {
		if c, err := s.Lookup(r.Name); err != nil || c.ID != r.ID {
			t.Errorf("lookup of %q: %v", r.Name, err)
		}
	}
}

func TestDiscarded(t *testing.T) {
	s := newStore(t)
	first := mustCreate(t, s, "web")
	c, err := s.Load(first.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Rename(context.Background(), c, "site"); err != nil {
		t.Fatal(err)
	}
	lock, err := state.Acquire(context.Background(), s.Dirs().Container(first.ID).Lock(), state.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	trash, err := s.DiscardLocked(first.ID, "web") // by who has not heard of the other name
	if err != nil {
		t.Fatal(err)
	}
	var missing *NotFoundError
	for _, arg := range []string{"web", "site", first.ID} {
		if _, err := s.Lookup(arg); !errors.As(err, &missing) {
			t.Errorf("lookup %q: %v, want no such container", arg, err)
		}
	}
	if _, err := s.DiscardLocked(first.ID, "site"); !errors.As(err, &missing) {
		t.Errorf("again: %v, want no such container", err)
	}
	mustCreate(t, s, "site")
	if _, err := os.Stat(trash); err != nil {
		t.Errorf("the files: %v, want them there until they are deleted", err)
	}
	if err := s.Dirs().Tmp().Sweep(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(trash); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the files after a sweep: %v", err)
	}
}

func TestCheckName(t *testing.T) {
	for name, good := range map[string]bool{
		"web": true, "a_b.c-1": true, "0x": true,
		"": false, "x": false, "-a": false, "_a": false, "a b": false, "a/b": false, "..": false, "é1": false,
	} {
		if err := CheckName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestDamagedRecordDoesNotHideTheOthers(t *testing.T) {
	s := newStore(t)
	bad, good := mustCreate(t, s, "bad"), mustCreate(t, s, "good")
	for _, text := range []string{"", "{", "[]", `{"version":99,"id":"` + bad.ID + `"}`, `{"version":1,"id":"` + good.ID + `"}`} {
		if err := os.WriteFile(s.Dirs().Container(bad.ID).Record(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := s.List()
		if len(list) != 1 || list[0].ID != good.ID {
			t.Errorf("record %q: list has %d containers", text, len(list))
		}
		if err == nil || strings.Count(err.Error(), bad.ID[:12]) < 1 || strings.Contains(err.Error(), "\n") {
			t.Errorf("record %q: error %v", text, err)
		}
	}
}

func TestLostSupervisorMeansExited(t *testing.T) {
	s := newStore(t)
	r := mustCreate(t, s, "web")
	self, err := state.Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	reused := self
	reused.StartTime++ // the same pid, given to another process
	for want, who := range map[Status]state.Process{Running: self, Exited: reused} {
		st := State{Status: Running, Supervisor: who, Pid: 1, StartedAt: time.Now()}
		if err := s.WriteState(r.ID, st, false); err != nil {
			t.Fatal(err)
		}
		c, err := s.Load(r.ID)
		if err != nil || c.State.Status != want {
			t.Errorf("status %q, %v; want %q", c.State.Status, err, want)
		}
		if want == Exited && (c.State.ExitCode != 137 || c.State.Pid != 0) {
			t.Errorf("exit code %d, pid %d", c.State.ExitCode, c.State.Pid)
		}
	}
}
