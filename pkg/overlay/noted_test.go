// SPDX-License-Identifier: Apache-2.0

package overlay

import "testing"

// TestWhoseAFileIs finds out whose files are of which the kernel says that they are
// root's.
func TestWhoseAFileIs(t *testing.T) {
	root, app, shadow := Maker{}, Maker{9, 8}, Maker{0, 42}
	for _, c := range []struct {
		what  string
		maker Maker
		is    Maker
		noted bool
		low   lowerNote
		group int
		want  Maker
	}{
		{"new", root, root, false, lowerNote{}, -1, root},
		{"new, a user's", app, root, false, lowerNote{}, -1, app},
		{"new, in a directory of a group", app, root, false, lowerNote{}, 50, Maker{9, 50}},
		{"new, and given away", app, shadow, true, lowerNote{}, 50, shadow},
		{"new, and given to root", root, root, true, lowerNote{}, 50, root},
		{"changed", app, root, false, lowerNote{there: true}, 50, root},
		{"changed, with its note", root, shadow, true, lowerNote{true, true}, -1, shadow},
		{"given away", root, app, true, lowerNote{true, true}, -1, app},
		{"replaced", root, root, false, lowerNote{true, true}, -1, root},
		{"replaced by a user", app, root, false, lowerNote{true, true}, -1, app},
		{"root's, replaced, and given to root", root, root, true, lowerNote{there: true}, 50, root},
	} {
		if got := c.maker.find(c.is, c.noted, c.low, func() int { return c.group }); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}
