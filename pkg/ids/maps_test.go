// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestMapsHave(t *testing.T) {
	m := Maps{UID: []Map{{0, 1000, 1}}, GID: []Map{{0, 1000, 1}}}
	if !m.Single() || !m.Has(0, 0) || m.Has(1, 0) || m.Has(0, 1) {
		t.Error("single")
	}
	m.UID = append(m.UID, Map{1, 100000, 65536})
	if m.Single() || !m.Has(65536, 0) || m.Has(65537, 0) || m.Has(1<<32-1, 0) {
		t.Error("many")
	}
}

func TestMapsOfAUserWhoAsksForASingleID(t *testing.T) {
	t.Setenv("CORACLE_SINGLE_ID", "1")
	m, err := HostMaps()
	if err != nil || !m.Single() || m.Reason == "" || m.UID[0].HostID != os.Geteuid() || m.GID[0].HostID != os.Getegid() {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestOutside: the files of both sides are found under the caller's own number.
func TestOutside(t *testing.T) {
	list := []Map{{0, 1000, 1}, {1, 100000, 65536}}
	for inside, want := range map[int]int{0: 1000, 1: 100000, 65536: 165535, 65537: 65537} {
		if got := outside(list, inside); got != want {
			t.Errorf("%d is %d outside, want %d", inside, got, want)
		}
	}
	if got := outside(nil, 7); got != 7 {
		t.Errorf("without a map 7 is %d", got)
	}
}

func TestReadMap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "uid_map")
	for text, want := range map[string][]Map{
		"         0       1000          1\n         1     100000      65536\n": {{0, 1000, 1}, {1, 100000, 65536}},
		"": nil, "0 1000\n": nil, "a b c\n": nil,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readMap(path)
		if !slices.Equal(got, want) || (err != nil) != (text != "" && want == nil) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
