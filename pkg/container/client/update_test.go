// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/network"
)

// TestWaitingForOneSupervisorStopsNobody has a supervisor wedged in the middle of
// every change that asks one; meanwhile others make, rename and change containers,
// and this one, too.
func TestWaitingForOneSupervisorStopsNobody(t *testing.T) {
	for what, change := range map[string]func(context.Context, *container.Store, *container.Container) error{
		"update": func(ctx context.Context, s *container.Store, c *container.Container) error {
			return Update(ctx, s, c, cgroup.Limits{Memory: 1}, container.Restart{})
		},
		"rename": func(ctx context.Context, s *container.Store, c *container.Container) error {
			return Rename(ctx, s, c, "wedged2")
		},
		"connect": func(ctx context.Context, s *container.Store, c *container.Container) error {
			return Connect(ctx, s, c, network.Endpoint{Network: "b"})
		},
		"disconnect": func(ctx context.Context, s *container.Store, c *container.Container) error {
			return Disconnect(ctx, s, c, "a")
		},
		"stop": func(ctx context.Context, _ *container.Store, c *container.Container) error {
			never := -1
			return Stop(ctx, c, 0, &never)
		},
		"wait": func(ctx context.Context, s *container.Store, c *container.Container) error {
			_, err := Wait(ctx, s, c)
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := newStore(t)
			wedged := create(t, s, container.Record{Name: "wedged", Net: container.Net{Mode: "a", Networks: places("a")}})
			other := create(t, s, container.Record{Name: "other"})
			asked, goOn := make(chan struct{}), make(chan struct{})
			wedged, _ = supervise(t, s, wedged.ID, container.State{}, func(c *fakeConn, r control.Request, _ []*os.File) {
				close(asked)
				<-goOn
				event := control.EventDone
				if r.Op == control.OpWait {
					event = control.EventExit
				}
				c.say(control.Reply{Event: event})
			})
			release := sync.OnceFunc(func() { close(goOn) })
			defer release()
			result := make(chan error, 1)
			go func() { result <- change(t.Context(), s, wedged) }()
			select {
			case <-asked:
			case err := <-result:
				t.Fatalf("it was not asked: %v", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit) // a lock that is held would be waited for
			defer cancel()
			_, err := s.Edit(ctx, wedged.ID, func(r *container.Record) error { r.Image = "changed"; return nil })
			err = errors.Join(err, s.Create(ctx, &container.Record{Name: "third"}), s.Rename(ctx, other, "renamed"))
			if err != nil {
				t.Error(err)
			}
			select {
			case err := <-result:
				t.Errorf("it did not wait: %v", err)
			default:
			}
			release()
			if err := <-result; err != nil {
				t.Error(err)
			}
			if now := load(t, s, wedged.ID); now.Image != "changed" {
				t.Errorf("the change of another command is lost: %+v", now.Record)
			}
		})
	}
}

// TestRenameOfOneThatIsRefused: the record has the name, which cannot be undone
// without taking it from somebody else by now.
func TestRenameOfOneThatIsRefused(t *testing.T) {
	s := newStore(t)
	c := create(t, s, container.Record{Name: "old", Net: container.Net{Mode: "a", Networks: places("a")}})
	c, _ = supervise(t, s, c.ID, container.State{}, no)
	if err := Rename(t.Context(), s, c, "new"); !refused(err) {
		t.Errorf("%v", err)
	}
	if now := load(t, s, c.ID); now.Name != "new" {
		t.Errorf("it is called %s", now.Name)
	}
	shares := create(t, s, container.Record{Name: "shares", Net: container.Net{Mode: "container:" + c.ID}})
	shares, f := supervise(t, s, shares.ID, container.State{}, no)
	if err := Rename(t.Context(), s, shares, "shares2"); err != nil || len(f.requests()) != 0 {
		t.Errorf("one without networks: asked for %v, %v", f.requests(), err)
	}
}

// TestPause asks for it, and says what is refused.
func TestPause(t *testing.T) {
	s := newStore(t)
	c := create(t, s, container.Record{})
	if err := Pause(t.Context(), c); !errors.Is(err, container.ErrNotRunning) {
		t.Errorf("one that does not run: %v", err)
	}
	c, f := supervise(t, s, c.ID, container.State{}, func(conn *fakeConn, r control.Request, files []*os.File) {
		if r.Op == control.OpPause {
			done(conn, r, files)
		} else {
			no(conn, r, files)
		}
	})
	if err := Pause(t.Context(), c); err != nil {
		t.Error(err)
	}
	if err := Unpause(t.Context(), c); !refused(err) {
		t.Errorf("%v", err)
	}
	if ops := f.requests(); len(ops) != 2 || ops[0] != control.OpPause || ops[1] != control.OpUnpause {
		t.Errorf("asked for %v", ops)
	}
}
