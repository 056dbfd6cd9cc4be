// SPDX-License-Identifier: Apache-2.0

package api

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/volume"
)

func TestVolumes(t *testing.T) {
	s := serve(t)
	names := func(query string) string {
		var all []string
		for _, v := range get[volume.ListResponse](t, s, "GET", "/volumes"+query, "", 200).Volumes {
			all = append(all, v.Name)
		}
		return strings.Join(all, " ")
	}
	v := get[volume.Volume](t, s, "POST", "/volumes/create", `{"Name":"data","Labels":{"a":"b"},"Driver":"local","DriverOpts":null}`, 201)
	if v.Name != "data" || v.Driver != "local" || v.Labels["a"] != "b" || v.Scope != "local" || v.Mountpoint != filepath.Join(s.e.Dirs.Root, "volumes/data/data") {
		t.Errorf("%+v", v)
	}
	if again := get[volume.Volume](t, s, "POST", "/volumes/create", `{"Name":"data"}`, 201); again.CreatedAt != v.CreatedAt {
		t.Errorf("%+v", again)
	}
	anonymous := get[volume.Volume](t, s, "POST", "/volumes/create", `{}`, 201)
	if len(anonymous.Name) != 64 {
		t.Errorf("%+v", anonymous)
	}
	if got := get[volume.Volume](t, s, "GET", "/volumes/data", "", 200); got.Name != "data" {
		t.Errorf("%+v", got)
	}
	for query, want := range map[string]string{
		filters(`{"name":["data"]}`): "data", filters(`{"label":{"a":true}}`): "data", filters(`{"dangling":["false"]}`): "", filters(`{"driver":["x"]}`): "",
	} {
		if got := names(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	checkRefusals(t, s, []refusal{
		{"POST", "/volumes/create", `{"Name":"a/b"}`, 400, `create a/b: "a/b" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`},
		{"POST", "/volumes/create", `{"Name":"a"}`, 400, ""},
		{"POST", "/volumes/create", `{"Name":"ab","Driver":"x"}`, 404, `error looking up volume plugin x: plugin "x" not found`},
		{"POST", "/volumes/create", `{"Name":"ab","DriverOpts":{"x":"y"}}`, 400, `create ab: invalid option: "x"`},
		{"POST", "/volumes/create", `[]`, 400, ""},
		{"GET", "/volumes/nosuch", "", 404, "get nosuch: no such volume"},
		{"DELETE", "/volumes/nosuch", "", 404, "get nosuch: no such volume"},
		{"DELETE", "/volumes/nosuch?force=1", "", 204, "no JSON: "},
		{"GET", "/volumes" + filters(`{"x":["x"]}`), "", 400, "invalid filter 'x'"},
		{"POST", "/volumes/prune" + filters(`{"until":["1h"]}`), "", 400, "invalid filter 'until'"},
	})
	if err := os.WriteFile(filepath.Join(v.Mountpoint, "f"), make([]byte, 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	done := get[volume.PruneReport](t, s, "POST", "/v1.44/volumes/prune", "", 200)
	if !slices.Equal(done.VolumesDeleted, []string{anonymous.Name}) {
		t.Errorf("%+v", done)
	}
	// Before 1.42 those with names went, too.
	done = get[volume.PruneReport](t, s, "POST", "/v1.41/volumes/prune", "", 200)
	if !slices.Equal(done.VolumesDeleted, []string{"data"}) || done.SpaceReclaimed == 0 {
		t.Errorf("%+v", done)
	}
	get[any](t, s, "POST", "/volumes/create", `{"Name":"data"}`, 201)
	get[any](t, s, "DELETE", "/volumes/data", "", 204)
	if got := names(""); got != "" {
		t.Errorf("left: %s", got)
	}
}

// TestDamagedVolume is told of as a warning, and removed.
func TestDamagedVolume(t *testing.T) {
	s := serve(t)
	get[any](t, s, "POST", "/volumes/create", `{"Name":"bad"}`, 201)
	if err := os.WriteFile(filepath.Join(s.e.Dirs.Root, "volumes/bad/volume.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	list := get[volume.ListResponse](t, s, "GET", "/volumes", "", 200)
	if len(list.Volumes) != 1 || list.Volumes[0].Driver != "damaged" || len(list.Warnings) != 1 {
		t.Errorf("%+v", list)
	}
	get[any](t, s, "DELETE", "/volumes/bad", "", 204)
}
