// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"testing"

	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/container"
	"coracle/pkg/ids"
	"coracle/pkg/overlay"
)

func TestUserns(t *testing.T) {
	bare := overlay.Details{LayerDirs: []string{"/l"}, Config: []byte(`{"os":"linux"}`)}
	for _, c := range []struct {
		mode, byDefault, user string
		keep                  *ids.Keep
		process               string
	}{
		{"", "", "", nil, ""},
		{"host", "keep-id", "", nil, ""},
		{"keep-id", "", "", &ids.Keep{UID: 1073, GID: 1074}, "1073:1074"},
		{"", "keep-id:gid=5", "", &ids.Keep{UID: 1073, GID: 5}, "1073:5"},
		{"keep-id:uid=1000,gid=1000", "", "", &ids.Keep{UID: 1000, GID: 1000}, "1000:1000"},
		{"keep-id:uid=1000", "", "root", &ids.Keep{UID: 1000, GID: 1074}, "root"},
		{"keep-id:uid=0,gid=0", "", "", &ids.Keep{}, "0:0"},
	} {
		q := basic()
		q.HostConfig.UsernsMode, q.User = moby.UsernsMode(c.mode), c.user
		w := testWorld()
		w.Userns = c.byDefault
		r, _, err := q.Record(testID, bare, w)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		u := r.Safety.Userns
		if (u.Keep == nil) != (c.keep == nil) || u.Keep != nil && *u.Keep != *c.keep || r.Process.User != c.process {
			t.Errorf("%+v: %+v as %q", c, u, r.Process.User)
		}
		if u.Keep != nil && (u.Name != "me" || u.Copied != (*c.keep != ids.Keep{}) || (u.User == nil) != (c.user != "")) {
			t.Errorf("%+v: %+v", c, u)
		}
		if conf := CommitConfig(&container.Container{Record: *r}); conf.User != c.user {
			t.Errorf("%+v: an image of it has the user %q", c, conf.User)
		}
	}
	q, w := basic(), testWorld()
	q.HostConfig.UsernsMode = "keep-id"
	w.Caller = func() (ids.Keep, string) { return ids.Keep{}, "root" }
	_, _, err := q.Record(testID, bare, w)
	wants(t, "root", err, "keep-id is only supported in rootless mode")
	if !KeepsID("keep-id") || !KeepsID("keep-id:uid=5") || KeepsID("host") || KeepsID("keep-idx") || KeepsID("") {
		t.Error("what keeps an id")
	}
}
