// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"cmp"
	"slices"
)

// Keep is who the calling user is inside a container, where that is not root: the
// ids below, root's among them, are subordinate ones then.
//
//	inside             0 … N-1         N         N+1 …
//	outside            subordinate     caller    subordinate
//	as files have it   1 … N           0         N+1 …
//
// The last line is the ids of [HostMaps], by which layers are on the disk: a file
// that an image gives to somebody is another's there if a Keep is to see it as his.
type Keep struct {
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
}

// User is the caller as a process is told, "N:M".
func (k Keep) User() User { return User{UID: k.UID, GID: k.GID} }

// OnDisk is what by [HostMaps] the ids are that the container calls uid and gid.
func (k Keep) OnDisk(uid, gid uint32) (uint32, uint32) { return onDisk(k.UID, uid), onDisk(k.GID, gid) }

// Inside is what the container calls the ids that are uid and gid by [HostMaps].
func (k Keep) Inside(uid, gid uint32) (uint32, uint32) { return inside(k.UID, uid), inside(k.GID, gid) }

func onDisk(kept, id uint32) uint32 {
	switch {
	case id == kept:
		return 0
	case id < kept:
		return id + 1
	}
	return id
}

func inside(kept, id uint32) uint32 {
	switch {
	case id == 0:
		return kept
	case id <= kept:
		return id - 1
	}
	return id
}

// Keep are the maps of a user namespace in which the caller is k; m are those of
// [HostMaps]. They lead to the same ids outside.
func (m Maps) Keep(k Keep) Maps {
	return Maps{UID: keep(m.UID, k.UID), GID: keep(m.GID, k.GID), Reason: m.Reason}
}

func keep(list []Map, kept uint32) []Map {
	var out []Map
	add := func(inside, outside, size int) {
		if size > 0 {
			out = append(out, Map{ContainerID: inside, HostID: outside, Size: size})
		}
	}
	n := int(kept)
	for _, m := range list {
		first, end := m.ContainerID, m.ContainerID+m.Size
		if first == 0 {
			add(n, m.HostID, 1)
			first++
		}
		split := min(max(first, n+1), end) // below it the ids move down by one
		add(first-1, m.HostID+first-m.ContainerID, split-first)
		add(split, m.HostID+split-m.ContainerID, end-split)
	}
	slices.SortFunc(out, func(a, b Map) int { return cmp.Compare(a.ContainerID, b.ContainerID) })
	return out
}

// KeepsRoot reports whether m has no other ids but the caller's, or the caller is
// root in any case: then files are as they are for everybody.
func (m Maps) KeepsRoot(k Keep) bool { return m.Single() || k == Keep{} }
