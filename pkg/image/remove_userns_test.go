// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/image"

	noun "coracle/pkg/image"
	"coracle/pkg/oci"
)

// said is what docker rmi prints, with IDs by their letters.
func said(items []image.DeleteResponse, ids map[string]string) string {
	var list []string
	for _, i := range items {
		line := "untagged " + i.Untagged
		if i.Deleted != "" {
			line = "deleted " + i.Deleted
		}
		for letter, id := range ids {
			line = strings.ReplaceAll(line, "sha256:"+id, letter)
		}
		if !strings.Contains(line, "sha256:") { // else a layer
			list = append(list, line)
		}
	}
	return strings.Join(list, ", ")
}

func TestRemove(t *testing.T) {
	const user = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for name, tt := range map[string]struct {
		names   string // of image A
		arg     string // A: by its ID
		force   bool
		used    []noun.User
		removed string
		err     string
		left    string // of A
	}{
		"the only name":    {names: "a:1", arg: "a:1", removed: "untagged a:1, deleted A", left: "gone"},
		"one of two names": {names: "a:1 a:2", arg: "a:1", removed: "untagged a:1", left: "a:2"},
		"by id":            {names: "a:1 a:2", arg: "A", removed: "untagged a:1, untagged a:2, deleted A", left: "gone"},
		"without names":    {arg: "A", removed: "deleted A", left: "gone"},
		"two repositories": {names: "a:1 b:1", arg: "A", err: "conflict: unable to delete A (must be forced) - image is referenced in multiple repositories", left: "a:1 b:1"},
		"two, forced":      {names: "a:1 b:1", arg: "A", force: true, removed: "untagged a:1, untagged b:1, deleted A", left: "gone"},
		"running":          {names: "a:1", arg: "a:1", used: []noun.User{{ID: user, Running: true}}, err: "conflict: unable to delete a:1 (cannot be forced) - image is being used by running container 0123456789ab", left: "a:1"},
		"running, forced":  {names: "a:1", arg: "a:1", force: true, used: []noun.User{{ID: user, Running: true}}, err: "conflict: unable to delete a:1 (cannot be forced) - image is being used by running container 0123456789ab", left: "a:1"},
		"stopped":          {names: "a:1", arg: "a:1", used: []noun.User{{ID: user}}, err: "conflict: unable to delete a:1 (must be forced) - image is being used by stopped container 0123456789ab", left: "a:1"},
		"stopped, forced":  {names: "a:1", arg: "a:1", force: true, used: []noun.User{{ID: user}}, removed: "untagged a:1", left: ""},
		"used, other name": {names: "a:1 a:2", arg: "a:2", used: []noun.User{{ID: user, Running: true}}, removed: "untagged a:2", left: "a:1"},
		"not there":        {names: "a:1", arg: "b:1", err: "No such image: b:1", left: "a:1"},
		"wrong platform":   {names: "a:1", arg: "a:1", err: "image with reference a:1 was found but does not provide the specified platform (linux/riscv64)", left: "a:1"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			id := h.add(t, "text", strings.Fields(tt.names)...)
			h.used = tt.used
			arg := tt.arg
			if arg == "A" {
				arg = id[:12]
			}
			r := noun.RemoveRequest{Images: []string{arg}, Force: tt.force}
			if name == "wrong platform" {
				r.Platforms = []string{"linux/riscv64"}
			}
			var all []noun.Removed
			if err := h.Remove(t.Context(), r, func(one noun.Removed) { all = append(all, one) }); err != nil || len(all) != 1 || all[0].Image != arg {
				t.Fatalf("%+v %v", all, err)
			}
			if got := said(all[0].Items, map[string]string{"A": id}); got != tt.removed {
				t.Errorf("removed %q, want %q", got, tt.removed)
			}
			message := ""
			if err := all[0].Err(); err != nil {
				message = strings.ReplaceAll(err.Error(), id[:12], "A")
			}
			if message != tt.err {
				t.Errorf("error %q, want %q", message, tt.err)
			}
			if got := h.names(t, id); got != tt.left {
				t.Errorf("left %q, want %q", got, tt.left)
			}
		})
	}
}

// TestRemoveGoesOn: one that cannot be removed keeps none of the others.
func TestRemoveGoesOn(t *testing.T) {
	h := newHost(t)
	a, b := h.add(t, "a", "a"), h.add(t, "b", "b")
	var missing *oci.NotFoundError
	n := 0
	err := h.Remove(t.Context(), noun.RemoveRequest{Images: []string{"a", "none", "b"}}, func(one noun.Removed) {
		if n++; n == 2 && !errors.As(one.Err(), &missing) || n != 2 && one.Err() != nil {
			t.Errorf("%d: %+v", n, one)
		}
	})
	if err != nil || n != 3 || h.names(t, a)+h.names(t, b) != "gonegone" {
		t.Error(err, n)
	}
	if got := h.journal(t); !strings.HasSuffix(got, "untag a:latest, delete sha256:"+a+", untag b:latest, delete sha256:"+b) {
		t.Error(got)
	}
}

// TestDigestsGoWithTheLastTag: of their repository.
func TestDigestsGoWithTheLastTag(t *testing.T) {
	reg := serve(t)
	h := newHost(t)
	id := h.add(t, "x", reg+"/x:1", reg+"/x:2", "kept")
	for _, tag := range []string{"1", "2"} {
		if _, err := h.Push(t.Context(), noun.PushRequest{Name: reg + "/x:" + tag, Access: nobody(t)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(arg string) {
		t.Helper()
		err := h.Remove(t.Context(), noun.RemoveRequest{Images: []string{arg}}, func(one noun.Removed) {
			if one.Err() != nil {
				t.Error(one.Err())
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	remove(reg + "/x:1")
	if got := h.names(t, id); !strings.Contains(got, "@sha256:") {
		t.Errorf("with a tag left: %s", got)
	}
	remove(reg + "/x:2")
	if got := h.names(t, id); got != "kept:latest" {
		t.Errorf("without a tag: %s", got)
	}
}

func TestPrune(t *testing.T) {
	h := newHost(t)
	named, bare, excepted := h.add(t, "named", "named"), h.add(t, "bare"), h.add(t, "excepted")
	got, err := h.Prune(t.Context(), noun.PruneRequest{IDs: []string{named, bare}})
	if err != nil || said(got.Items, map[string]string{"B": bare}) != "deleted B" || got.Freed == 0 {
		t.Errorf("%+v %v", got, err)
	}
	h.used = []noun.User{{ID: named}}
	if got, err = h.Prune(t.Context(), noun.PruneRequest{All: true, IDs: []string{named, excepted}}); err != nil || len(got.Items) > 0 || got.Freed > 0 {
		t.Errorf("of images in use: %+v %v", got, err)
	}
	h.used = nil
	got, err = h.Prune(t.Context(), noun.PruneRequest{All: true, IDs: []string{named}})
	if err != nil || said(got.Items, map[string]string{"N": named}) != "untagged named:latest, deleted N" {
		t.Errorf("all: %+v %v", got, err)
	}
	if h.names(t, excepted) != "" {
		t.Error("one that was not chosen is gone")
	}
}
