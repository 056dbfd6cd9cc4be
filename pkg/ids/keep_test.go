// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"slices"
	"testing"
)

func TestKeepMaps(t *testing.T) {
	whole := []Map{{0, 1000, 1}, {1, 100000, 10}, {11, 300000, 5}}
	for _, tt := range []struct {
		kept uint32
		want []Map
	}{
		{0, whole},
		{1, []Map{{0, 100000, 1}, {1, 1000, 1}, {2, 100001, 9}, {11, 300000, 5}}},
		{12, []Map{{0, 100000, 10}, {10, 300000, 2}, {12, 1000, 1}, {13, 300002, 3}}},
		{10, []Map{{0, 100000, 10}, {10, 1000, 1}, {11, 300000, 5}}},
		{5000, []Map{{0, 100000, 10}, {10, 300000, 5}, {5000, 1000, 1}}},
	} {
		got := Maps{UID: whole, GID: whole[:1]}.Keep(Keep{tt.kept, 7})
		if !slices.Equal(got.UID, tt.want) || !slices.Equal(got.GID, []Map{{7, 1000, 1}}) {
			t.Errorf("keep %d: %v, want %v", tt.kept, got.UID, tt.want)
		}
		// What the container calls an id leads outside to what the file on the disk has.
		k := Keep{tt.kept, tt.kept}
		for id := range uint32(16) {
			in, _ := k.Inside(id, id)
			if back, _ := k.OnDisk(in, in); back != id {
				t.Errorf("keep %d: %d is %d inside, and that is %d", tt.kept, id, in, back)
			}
			if a, b := outside(whole, int(id)), outside(got.UID, int(in)); a != b {
				t.Errorf("keep %d: %d on the disk is %d outside, and inside as %d it is %d", tt.kept, id, a, in, b)
			}
		}
	}
}

func TestKeepsRoot(t *testing.T) {
	one, more := Maps{UID: []Map{{0, 1000, 1}}}, Maps{UID: []Map{{0, 1000, 1}, {1, 100000, 10}}}
	if !one.KeepsRoot(Keep{5, 5}) || !more.KeepsRoot(Keep{}) || more.KeepsRoot(Keep{0, 5}) {
		t.Error("files are as for everybody with one id, or where the caller is root, and only there")
	}
}
