// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"coracle/pkg/state"
)

// TestEditsAreNotLost changes one record in many ways at once, each from a
// snapshot of its own: every change is in the end's record.
func TestEditsAreNotLost(t *testing.T) {
	s := newStore(t)
	web := mustCreate(t, s, "web")
	old, err := s.Load(web.ID)
	if err != nil {
		t.Fatal(err)
	}
	const changes = 20
	var wg sync.WaitGroup
	for i := range changes {
		wg.Go(func() {
			_, err := s.Edit(context.Background(), web.ID, func(r *Record) error {
				r.Process.Env = append(r.Process.Env, fmt.Sprint(i))
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Go(func() {
		_, err := s.Edit(context.Background(), old.ID, func(r *Record) error {
			r.Life.Restart.Name = "always"
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	stale := *old // from before all of it
	if err := s.Rename(context.Background(), &stale, "shop"); err != nil {
		t.Fatal(err)
	}
	now, err := s.Lookup("shop")
	if err != nil || len(now.Process.Env) != changes || now.Life.Restart.Name != "always" {
		t.Errorf("%+v: %v", now, err)
	}
}

// TestRefusedEdit leaves the record as it was.
func TestRefusedEdit(t *testing.T) {
	s := newStore(t)
	web := mustCreate(t, s, "web")
	no := errors.New("no")
	if _, err := s.Edit(context.Background(), web.ID, func(r *Record) error { r.Image = "x"; return no }); err != no {
		t.Error(err)
	}
	if c, err := s.Load(web.ID); err != nil || c.Image != "" {
		t.Errorf("%+v, %v", c, err)
	}
	var gone *NotFoundError
	if _, err := s.Edit(context.Background(), state.NewID(), func(*Record) error { return nil }); !errors.As(err, &gone) {
		t.Error(err)
	}
}

// TestRenamesAtOnce lets commands that all know the oldest name rename a
// container: it has one name in the end, and the others are free.
func TestRenamesAtOnce(t *testing.T) {
	s := newStore(t)
	web := mustCreate(t, s, "web")
	old, err := s.Load(web.ID)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c := *old
			if err := s.Rename(context.Background(), &c, fmt.Sprintf("name%d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	now, err := s.Load(web.ID)
	if err != nil {
		t.Fatal(err)
	}
	links, err := filepath.Glob(s.dirs.Name("[a-z]*"))
	if err != nil || len(links) != 1 || filepath.Base(links[0]) != now.Name {
		t.Errorf("it is called %s, and the names are %v", now.Name, links)
	}
}

// TestKilledRename is every state that a rename can be killed in.
func TestKilledRename(t *testing.T) {
	for _, at := range []string{"linked", "recorded"} {
		t.Run(at, func(t *testing.T) {
			s := newStore(t)
			r := mustCreate(t, s, "old")
			if err := s.names().link("new", r.ID); err != nil {
				t.Fatal(err)
			}
			name, free := "old", "new"
			if at == "recorded" {
				name, free = "new", "old"
				if _, err := s.Edit(context.Background(), r.ID, func(r *Record) error { r.Name = "new"; return nil }); err != nil {
					t.Fatal(err)
				}
			}
			c, err := s.Lookup(name)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var missing *NotFoundError
			if _, err := s.Lookup(free); !errors.As(err, &missing) {
				t.Errorf("%s is somebody: %v", free, err)
			}
			mustCreate(t, s, free)
			if err := s.Rename(context.Background(), c, "third"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestOrphans are containers with --rm whose supervisor was killed, or that a
// power cut left: their name is free, and they are gone.
func TestOrphans(t *testing.T) {
	for what, damage := range map[string]func(dir state.ContainerDir) error{
		"killed":    func(state.ContainerDir) error { return nil },
		"power cut": func(dir state.ContainerDir) error { return os.WriteFile(dir.Record(), nil, 0o600) },
		"no state":  func(dir state.ContainerDir) error { return os.WriteFile(dir.State(), nil, 0o600) },
	} {
		for _, by := range []string{"name", "list"} {
			t.Run(what+" "+by, func(t *testing.T) {
				s := newStore(t)
				r := &Record{Name: "web", Life: Life{AutoRemove: true}}
				if err := s.Create(context.Background(), r); err != nil {
					t.Fatal(err)
				}
				lost := State{Status: Running, Supervisor: state.Process{Pid: os.Getpid(), BootID: "another boot"}}
				if err := errors.Join(s.WriteState(r.ID, lost, false), damage(s.dirs.Container(r.ID))); err != nil {
					t.Fatal(err)
				}
				if by == "list" {
					l, err := s.ListAll()
					if len(l.Containers)+len(l.Dead) != 0 || l.Bad != nil || err != nil {
						t.Errorf("listed: %+v, %v", l, err)
					}
					s.Reclaim(l.Orphans)
				} else {
					s.ReclaimName("web")
				}
				mustCreate(t, s, "web")
				if _, err := os.Lstat(string(s.dirs.Container(r.ID))); err == nil {
					t.Error("the container is there still")
				}
			})
		}
	}
}

// TestStillThere are containers that must not be taken for orphans.
func TestStillThere(t *testing.T) {
	s := newStore(t)
	r := &Record{Name: "web", Life: Life{AutoRemove: true}}
	if err := s.Create(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	check := func(what string) {
		t.Helper()
		s.ReclaimName("web")
		var taken *NameTakenError
		if err := s.Create(context.Background(), &Record{Name: "web"}); !errors.As(err, &taken) {
			t.Errorf("%s: %v", what, err)
		}
		l, err := s.ListAll()
		if len(l.Containers) != 1 || len(l.Orphans) != 0 || err != nil {
			t.Errorf("%s: %+v, %v", what, l, err)
		}
		s.Reclaim(l.Containers)
	}
	lock, err := state.TryAcquire(s.dirs.Container(r.ID).Lock(), state.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	me, err := state.Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for what, st := range map[string]State{
		"running":                            {Status: Running, Supervisor: me},
		"its supervisor is about to be done": {Status: Exited},
	} {
		if err := s.WriteState(r.ID, st, false); err != nil {
			t.Fatal(err)
		}
		check(what)
	}
	lock.Release()
	if err := os.Remove(s.dirs.Container(r.ID).State()); err != nil {
		t.Fatal(err)
	}
	s.ReclaimName("web")
	if _, err := s.Load(r.ID); err != nil {
		t.Errorf("never started: %v", err)
	}
}

// TestDebris is what killed commands leave unfinished: the next one tidies up,
// but not while somebody is at work.
func TestDebris(t *testing.T) {
	s := newStore(t)
	left := func() int {
		all, _ := filepath.Glob(filepath.Join(string(s.dirs.Tmp()), "*"))
		return len(all)
	}
	tmp := s.dirs.Tmp()
	for _, dir := range []string{tmp.Container(state.NewID()).Upper(), filepath.Join(string(tmp), "volume-123", "data")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var busy *state.Lock
	var err error
	var other sync.WaitGroup // another command's line of work
	other.Go(func() { busy, err = s.dirs.Tmp().Stage(context.Background()) })
	other.Wait()
	if err != nil {
		t.Fatal(err)
	}
	mustCreate(t, s, "one")
	if left() != 2 {
		t.Errorf("%d things are left while another command may be making them", left())
	}
	busy.Release()
	mustCreate(t, s, "two")
	if left() != 0 {
		t.Errorf("%d things are left", left())
	}
}
