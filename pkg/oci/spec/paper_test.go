// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/ids"
)

// TestOnPaper has one id inside, root's or another one, and users who have it and who
// have not.
func TestOnPaper(t *testing.T) {
	one := func(id int) ids.Maps {
		return ids.Maps{UID: []ids.Map{{ContainerID: id, HostID: 5000, Size: 1}}, GID: []ids.Map{{ContainerID: id, HostID: 5000, Size: 1}}}
	}
	for name, c := range map[string]struct {
		inside  int
		user    specs.User
		paper   bool
		ambient bool
	}{
		"root":                        {0, specs.User{}, false, false},
		"root with a group":           {0, specs.User{AdditionalGids: []uint32{5}}, true, false},
		"root with the group of root": {0, specs.User{AdditionalGids: []uint32{0}}, false, false},
		"a user":                      {0, specs.User{UID: 1000, GID: 1000}, true, false},
		"root where you are 1000":     {1000, specs.User{}, true, true},
		"you":                         {1000, specs.User{UID: 1000, GID: 1000}, true, false},
		"another where you are 1000":  {1000, specs.User{UID: 5}, true, false},
	} {
		p := &specs.Process{User: c.user, Capabilities: &specs.LinuxCapabilities{Permitted: []string{"CAP_CHOWN"}}}
		got, who := OnPaper(p, one(c.inside))
		if (who != nil) != c.paper || who != nil && (who.UID != c.user.UID || who.GID != c.user.GID || !slices.Equal(who.AdditionalGIDs, c.user.AdditionalGids)) {
			t.Errorf("%s is on paper %v", name, who)
		}
		if c.paper && (got.User.UID != uint32(c.inside) || got.User.GID != uint32(c.inside) || got.User.AdditionalGids != nil) || !c.paper && got != p {
			t.Errorf("%s runs as %+v", name, got.User)
		}
		if slices.Equal(got.Capabilities.Ambient, []string{"CAP_CHOWN"}) != c.ambient || len(p.Capabilities.Ambient) > 0 {
			t.Errorf("%s has %+v", name, got.Capabilities)
		}
	}
}
