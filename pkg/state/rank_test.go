// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"os"
	"strings"
	"testing"

	"coracle/pkg/state"
)

// TestLockOrderIsDocumented keeps ARCHITECTURE.md's order the one that is
// enforced.
func TestLockOrderIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	if os.IsNotExist(err) {
		t.Skip("the tests run away from their sources")
	}
	if err != nil || !strings.Contains(string(text), "\n    "+state.LockOrder()+"\n") {
		t.Errorf("ARCHITECTURE.md does not have the line %q: %v", state.LockOrder(), err)
	}
}

// TestLocksAndTheirRanks are all locks there are: each has a file of its own,
// below the root.
func TestLocksAndTheirRanks(t *testing.T) {
	d := state.Dirs{Root: "/r", Run: "/run"}
	want := []struct {
		file state.LockFile
		path string
		rank string
	}{
		{d.ProjectLock("p/q"), "/r/projects/p%2Fq.lock", "project"},
		{d.Container("c").Lock(), "/r/containers/c/lock", "container"},
		{d.Network("n").MemberLock("c"), "/r/networks/n/members/c.lock", "member"},
		{d.BuildLock(), "/r/buildcache/lock", "build"},
		{state.CacheMountLock("/r/cachemounts/m"), "/r/cachemounts/m.lock", "cache mount"},
		{d.ImageLock(), "/r/images.lock", "images"},
		{d.VolumesLock(), "/r/volumes/.lock", "volumes"},
		{d.Tmp().StagingLock(), "/r/staging.lock", "staging"},
		{d.NamesLock(), "/r/names/.lock", "names"},
		{d.Container("c").RecordLock(), "/r/containers/c/record.lock", "record"},
		{d.Volume("v").FillLock(), "/r/volumes/v/lock", "fill"},
		{d.NetworksLock(), "/r/networks/.lock", "networks"},
	}
	for i, w := range want {
		if w.file.Path != w.path || w.file.Rank != state.Rank(i) || w.file.Rank.String() != w.rank {
			t.Errorf("%+v (%v), want %s of rank %d (%s)", w.file, w.file.Rank, w.path, i, w.rank)
		}
	}
}
