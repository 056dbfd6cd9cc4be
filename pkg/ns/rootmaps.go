// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"os"

	"golang.org/x/sys/unix"
)

// rootMaps are the maps of root, whose all ids are: each is itself, as far as
// there are ids in the namespace around.
func rootMaps() (Maps, bool) {
	if os.Geteuid() != 0 || !mayMap() {
		return Maps{}, false
	}
	around, err := CurrentMaps()
	if err != nil || around.Single() {
		return Maps{}, false
	}
	return Maps{UID: sameInside(around.UID), GID: sameInside(around.GID)}, true
}

// sameInside maps every id of a namespace to itself.
func sameInside(around []IDMap) []IDMap {
	var same []IDMap
	for _, m := range around {
		same = append(same, IDMap{ContainerID: m.ContainerID, HostID: m.ContainerID, Size: m.Size})
	}
	return same
}

// mayMap reports whether this process may write id maps of others than itself;
// to map 0, Linux 5.12 asks for CAP_SETFCAP too (user_namespaces(7)).
func mayMap() bool {
	return Capable(unix.CAP_SETUID) && Capable(unix.CAP_SETGID) && Capable(unix.CAP_SETFCAP)
}

// Capable reports whether a capability is effective in this process, in the
// user namespace that it is in.
func Capable(capability int) bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var now [2]unix.CapUserData
	if unix.Capget(&hdr, &now[0]) != nil {
		return false
	}
	return now[capability/32].Effective&(1<<(capability%32)) != 0
}
