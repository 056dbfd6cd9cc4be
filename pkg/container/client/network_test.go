// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/network"
)

// places are endpoints on networks.
func places(names ...string) []network.Endpoint {
	var list []network.Endpoint
	for _, n := range names {
		list = append(list, network.Endpoint{Network: n})
	}
	return list
}

func networksOf(t *testing.T, s *container.Store, id string) []string {
	t.Helper()
	names := []string{}
	for _, e := range load(t, s, id).Net.Networks {
		names = append(names, e.Network)
	}
	return names
}

// TestNetworksChangeUnderTheirFeet changes the networks of a container by what
// commands have read before another one changed them, as two that run at once do.
func TestNetworksChangeUnderTheirFeet(t *testing.T) {
	s := newStore(t)
	stale := create(t, s, container.Record{Name: "moves", Net: container.Net{Mode: "a", Networks: places("a", "b", "c")}})
	for _, net := range []string{"a", "c"} { // c is the last: its old index is out of range after a has gone
		if err := Disconnect(t.Context(), s, stale, net); err != nil {
			t.Fatalf("%s: %v", net, err)
		}
	}
	if err := Disconnect(t.Context(), s, stale, "a"); err == nil {
		t.Error("taken off a network that it is not on any more")
	}
	for i := range 2 {
		if err := Connect(t.Context(), s, stale, network.Endpoint{Network: "d"}); (err == nil) != (i == 0) {
			t.Errorf("connected for the %dth time: %v", i+1, err)
		}
	}
	if have := networksOf(t, s, stale.ID); !slices.Equal(have, []string{"b", "d"}) {
		t.Errorf("it is on %v, want b and d", have)
	}
}

// TestConnectOf refuses what cannot be on a network of its own.
func TestConnectOf(t *testing.T) {
	s := newStore(t)
	for mode, want := range map[string]string{
		"container:0123": "container sharing network namespace with another container or host cannot be connected to any other network",
		"host":           "container cannot be connected to multiple networks with one of the networks in host mode",
		"none":           "container cannot be connected to multiple networks with one of the networks in none mode",
	} {
		c := create(t, s, container.Record{Net: container.Net{Mode: mode}})
		if err := Connect(t.Context(), s, c, network.Endpoint{Network: "a"}); err == nil || err.Error() != want {
			t.Errorf("%s: %v", mode, err)
		}
		if have := networksOf(t, s, c.ID); len(have) != 0 {
			t.Errorf("%s: it is on %v", mode, have)
		}
	}
}

// TestRefusedByTheSupervisor takes every change out of the record again that the
// running container refuses, does not answer, or dies of.
func TestRefusedByTheSupervisor(t *testing.T) {
	before := container.Record{
		Net:    container.Net{Mode: "a", Networks: places("a", "b", "c")},
		Limits: container.Limits{Cgroup: cgroup.Limits{Memory: 1 << 20}}, Life: container.Life{Restart: container.Restart{Name: "always"}},
	}
	for what, change := range map[string]func(context.Context, *container.Store, *container.Container) error{
		"connect": func(ctx context.Context, s *container.Store, c *container.Container) error {
			return Connect(ctx, s, c, network.Endpoint{Network: "d"})
		},
		"disconnect": func(ctx context.Context, s *container.Store, c *container.Container) error {
			return Disconnect(ctx, s, c, "a")
		},
		"update": func(ctx context.Context, s *container.Store, c *container.Container) error {
			return Update(ctx, s, c, cgroup.Limits{Memory: 2 << 20}, container.Restart{Name: "no"})
		},
	} {
		for how, talk := range map[string]func(*fakeConn, control.Request, []*os.File){
			"refused":   no,
			"cancelled": silent,
			"cut off":   func(*fakeConn, control.Request, []*os.File) {},
		} {
			if how == "cut off" && what != "connect" { // the end of the supervisor is waited for
				continue
			}
			t.Run(what+" "+how, func(t *testing.T) {
				s := newStore(t)
				c := create(t, s, before)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				c, f := supervise(t, s, c.ID, container.State{}, func(conn *fakeConn, r control.Request, files []*os.File) {
					if r.Op != what {
						t.Errorf("it was asked to %s", r.Op)
					}
					if how == "cancelled" {
						cancel()
					}
					talk(conn, r, files)
				})
				var err error
				promptly(t, what, func() { err = change(ctx, s, c) })
				if err == nil || how == "refused" && !refused(err) || how == "cancelled" && !errors.Is(err, context.Canceled) {
					t.Errorf("%v", err)
				}
				now := load(t, s, c.ID)
				if have := networksOf(t, s, c.ID); !slices.Equal(have, []string{"a", "b", "c"}) {
					t.Errorf("it is on %v", have)
				}
				if now.Limits.Cgroup.Memory != 1<<20 || now.Life.Restart.Name != "always" {
					t.Errorf("%+v, %+v", now.Limits, now.Life)
				}
				if len(f.requests()) != 1 {
					t.Errorf("asked for %v", f.requests())
				}
			})
		}
	}
}

// TestChangesOfOneThatRuns are in the record, and its supervisor knows of them.
func TestChangesOfOneThatRuns(t *testing.T) {
	s := newStore(t)
	c := create(t, s, container.Record{Net: container.Net{Mode: "a", Networks: places("a")}})
	c, f := supervise(t, s, c.ID, container.State{}, done)
	if err := Connect(t.Context(), s, c, network.Endpoint{Network: "b", Aliases: []string{"x"}}); err != nil {
		t.Error(err)
	}
	if err := Disconnect(t.Context(), s, c, "a"); err != nil {
		t.Error(err)
	}
	if err := Update(t.Context(), s, c, cgroup.Limits{Memory: 1 << 30}, container.Restart{Name: "on-failure", Max: 3}); err != nil {
		t.Error(err)
	}
	if err := Rename(t.Context(), s, c, "other"); err != nil {
		t.Error(err)
	}
	now := load(t, s, c.ID)
	if n := now.Net.Networks; len(n) != 1 || n[0].Network != "b" || n[0].Aliases[0] != "x" || now.Name != "other" ||
		now.Limits.Cgroup.Memory != 1<<30 || now.Life.Restart.Max != 3 {
		t.Errorf("%+v", now.Record)
	}
	if want := []string{"connect", "disconnect", "update", "rename"}; !slices.Equal(f.requests(), want) {
		t.Errorf("asked for %v, want %v", f.requests(), want)
	}
	if e := f.asked[0].Network; e == nil || e.Network != "b" || e.Aliases[0] != "x" {
		t.Errorf("asked to connect to %+v", e)
	}
}

// TestStartedMeanwhile changes a container by what was read before it was
// started: its supervisor is asked unless it has read the change.
func TestStartedMeanwhile(t *testing.T) {
	for state, want := range map[string][]string{"a": {"connect", "disconnect"}, "a b": {"disconnect"}} {
		t.Run(state, func(t *testing.T) {
			s := newStore(t)
			stale := create(t, s, container.Record{Net: container.Net{Mode: "a", Networks: places("a")}})
			on := map[string]network.Place{"a": {}}
			if state == "a b" {
				on["b"] = network.Place{}
			}
			_, f := supervise(t, s, stale.ID, container.State{Networks: on}, done)
			if err := Connect(t.Context(), s, stale, network.Endpoint{Network: "b"}); err != nil {
				t.Error(err)
			}
			if err := Disconnect(t.Context(), s, stale, "a"); err != nil {
				t.Error(err)
			}
			if !slices.Equal(f.requests(), want) {
				t.Errorf("asked for %v, want %v", f.requests(), want)
			}
			if have := networksOf(t, s, stale.ID); !slices.Equal(have, []string{"b"}) {
				t.Errorf("it is on %v", have)
			}
		})
	}
}
