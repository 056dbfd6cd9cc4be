// SPDX-License-Identifier: Apache-2.0

package network

import "testing"

func TestModes(t *testing.T) {
	for _, c := range []struct {
		mode             string
		userDefined, own bool
		shared           string // with this container
	}{
		{Bridge, false, true, ""},
		{Host, false, false, ""},
		{None, false, false, ""},
		{SharedMode("db"), false, false, "db"},
		{"front", true, true, ""},
		{"container", true, true, ""},
	} {
		shared, ok := SharedWith(c.mode)
		if got := IsUserDefined(c.mode); got != c.userDefined {
			t.Errorf("%s is a user's: %v", c.mode, got)
		}
		if got := HasOwn(c.mode); got != c.own {
			t.Errorf("%s has its own: %v", c.mode, got)
		}
		if ok != (c.shared != "") || ok && shared != c.shared {
			t.Errorf("%s is shared with %q, %v", c.mode, shared, ok)
		}
	}
}
