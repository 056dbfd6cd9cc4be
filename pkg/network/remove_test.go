// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"coracle/pkg/events"
)

// journal compares what was written down of networks with "action name" each.
func journal(t *testing.T, n Store, want ...string) {
	t.Helper()
	var got []string
	err := events.Read(context.Background(), n.dirs.Root, events.Options{Past: true}, func(e events.Event) error {
		got = append(got, e.Action+" "+e.Actor.Attributes["name"])
		return nil
	})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, not %q; %v", got, want, err)
	}
}

func TestDelete(t *testing.T) {
	n, ctx := testNetworks(t), context.Background()
	for _, name := range []string{"front", "back"} {
		if _, err := n.Create(ctx, CreateOptions{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range Predefined() {
		if err := n.Delete(ctx, name); err == nil || err.Error() != name+" is a pre-defined network and cannot be removed" || n.Missing(name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w, err := n.Lookup("front")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Delete(ctx, w.ID[:12]); err != nil || !n.Missing("front") || n.Missing("back") {
		t.Errorf("by the beginning of its ID: %v", err)
	}
	if err := n.Delete(ctx, "front"); err == nil || err.Error() != "network front not found" {
		t.Errorf("again: %v", err)
	}
	if err := os.WriteFile(n.file("back"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := n.Delete(ctx, "back"); err != nil || !n.Missing("back") {
		t.Errorf("a damaged one: %v", err)
	}
	journal(t, n, "create front", "create back", "destroy front", "destroy back")
}

func TestPrune(t *testing.T) {
	n, ctx := testNetworks(t), context.Background()
	for _, name := range []string{"busy", "free", "kept"} {
		w, err := n.Create(ctx, CreateOptions{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if name == "busy" {
			m, err := n.Admit(ctx, w, Member{Container: strings.Repeat("1", 64), Name: "one"})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Leave()
		}
	}
	names, err := n.Prune(ctx, func(w Network) bool { return w.Name != "kept" })
	if err != nil || !slices.Equal(names, []string{"free"}) || n.Missing("busy") || n.Missing("kept") {
		t.Errorf("%q, %v", names, err)
	}
	journal(t, n, "create busy", "create free", "create kept", "destroy free", "prune ")
}

func TestConnectable(t *testing.T) {
	n := testNetworks(t)
	w, err := n.Create(context.Background(), CreateOptions{Name: "front"})
	if err != nil {
		t.Fatal(err)
	}
	for arg, want := range map[string]string{Bridge: Bridge, "front": "front", w.ID: "front", Host: "", None: "", "other": ""} {
		if name, err := n.Connectable(arg); name != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", arg, name, err)
		}
	}
}
