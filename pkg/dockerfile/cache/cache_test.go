// SPDX-License-Identifier: Apache-2.0

package cache

import "testing"

func TestKeyTellsListsApart(t *testing.T) {
	seen := map[Key][]string{}
	for _, parts := range [][]string{{"ab", "c"}, {"a", "bc"}, {"abc"}, {"a", "b", "c"}, {"", "abc"}, {"abc", ""}} {
		k := NewKey("p", parts...)
		if other, ok := seen[k]; ok {
			t.Errorf("%q and %q have one key", parts, other)
		}
		seen[k] = parts
		if k != NewKey("p", parts...) || k == NewKey("other", parts...) {
			t.Errorf("the key of %q is not that of the parts and the parent", parts)
		}
	}
}
