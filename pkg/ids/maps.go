// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"coracle/pkg/hint"
)

// Map is one line of user_namespaces(7)' uid_map.
type Map struct {
	ContainerID int `json:"containerId"`
	HostID      int `json:"hostId"`
	Size        int `json:"size"`
}

// Maps are the id maps of a user namespace: the caller becomes 0, and the ids
// that the administrator gave to the caller follow from 1.
type Maps struct {
	UID []Map `json:"uid"`
	GID []Map `json:"gid"`
	// Reason says why there is only a single id, when there is.
	Reason string `json:"reason,omitempty"`
}

// Has reports whether a user and a group exist inside the namespace.
func (m Maps) Has(uid, gid uint32) bool { return covers(m.UID, uid) && covers(m.GID, gid) }

func covers(maps []Map, id uint32) bool {
	for _, m := range maps {
		if uint64(id) >= uint64(m.ContainerID) && uint64(id) < uint64(m.ContainerID)+uint64(m.Size) {
			return true
		}
	}
	return false
}

// unmappedError is a user that the host has no id for.
type unmappedError struct {
	user User
	maps Maps
}

func (e *unmappedError) Error() string {
	return fmt.Sprintf("user %d:%d is outside of the ids of this user namespace", e.user.UID, e.user.GID)
}

func (e *unmappedError) Hint() string {
	return hint.SubordinateIDs.After(e.maps.Remedy() + "; or run as root of the container: --user 0")
}

// Check reports a user or group that has no id in the user namespace. Maps that
// are not known, the zero value, have all.
func (m Maps) Check(u User) error {
	if len(m.UID) > 0 && !m.Has(u.UID, u.GID) {
		return &unmappedError{u, m}
	}
	return nil
}

// Single reports whether the caller's own id is the only one.
func (m Maps) Single() bool { return len(m.UID) == 1 && m.UID[0].Size == 1 }

// Current reads the maps of the user namespace this process is in.
func Current() (Maps, error) { return readMaps("/proc/self") }

// Of reads the maps of the user namespace that a process is in.
func Of(pid int) (Maps, error) { return readMaps("/proc/" + strconv.Itoa(pid)) }

func readMaps(proc string) (m Maps, err error) {
	if m.UID, err = readMap(proc + "/uid_map"); err == nil {
		m.GID, err = readMap(proc + "/gid_map")
	}
	if err != nil {
		return Maps{}, err
	}
	return m, nil
}

// readMap reads one file: a line is the first id inside, the first outside, and
// their number.
func readMap(path string) (list []Map, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read id maps: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		var m Map
		if _, err := fmt.Sscan(line, &m.ContainerID, &m.HostID, &m.Size); err != nil {
			return nil, fmt.Errorf("read id maps: %w", err)
		}
		list = append(list, m)
	}
	return list, nil
}

// NoMap is what somebody can do who is nobody in the user namespace of this process, as
// after unshare(1) -U: it has a map yet to be written, or one without this user. Such a
// process makes no namespaces (user_namespaces(7)), and what it makes has no owner. It is
// empty for everybody else.
func NoMap() string {
	list, err := readMap("/proc/self/uid_map")
	if err != nil || covers(list, uint32(os.Geteuid())) {
		return ""
	}
	return "this process is in a user namespace that has no id for it (/proc/self/uid_map): unshare needs --map-root-user, or the map is to be written before"
}

// HostUID is the effective user of this process as the namespace around knows it:
// inside a user namespace of ours, where the caller is 0, still the caller.
// Without /proc it is the user as this process knows it.
func HostUID() int {
	uid := os.Geteuid()
	list, err := readMap("/proc/self/uid_map")
	if err != nil {
		return uid
	}
	return outside(list, uid)
}

// outside is what an id is called outside of the namespace; one that is not in
// the map is itself.
func outside(list []Map, id int) int {
	for _, m := range list {
		if id >= m.ContainerID && id-m.ContainerID < m.Size {
			return m.HostID + id - m.ContainerID
		}
	}
	return id
}
