// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"

	"github.com/rootless-containers/rootlesskit/v3/pkg/parent/idtools"
	"golang.org/x/sys/unix"
)

// HostMaps returns the maps that the calling user may have: every id for root,
// the ranges of /etc/subuid and /etc/subgid where the host has newuidmap and
// newgidmap, and a single id otherwise. CORACLE_SINGLE_ID=1 asks for the single
// id.
func HostMaps() (Maps, error) {
	uid, gid := os.Geteuid(), os.Getegid()
	m := Maps{UID: []Map{{0, uid, 1}}, GID: []Map{{0, gid, 1}}}
	if os.Getenv("CORACLE_SINGLE_ID") == "1" {
		m.Reason = reasonAsked
		return m, nil
	}
	if all, ok := rootMaps(); ok {
		return all, nil
	}
	if on, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil && on == 1 {
		m.Reason = reasonNoNewPriv
		return m, nil
	}
	for _, p := range mapPrograms {
		info, err := os.Stat(p)
		if err != nil {
			m.Reason = p + notInstalled
			return m, nil
		}
		if mayWriteMaps(info.Mode(), bounded) {
			continue
		}
		m.Reason = p + powerless
		return m, nil
	}
	name := ""
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		name = u.Username
	}
	uids, gids, err := idtools.GetSubIDRanges(uid, name)
	if err != nil {
		m.Reason = err.Error()
		if name == "" {
			m.Reason = fmt.Sprintf("uid %d has neither a line in /etc/passwd nor a range in /etc/subuid", uid)
		}
		return m, nil
	}
	whole := Maps{UID: m.UID, GID: m.GID}
	for _, r := range uids {
		whole.UID = appendRange(whole.UID, r)
	}
	for _, r := range gids {
		whole.GID = appendRange(whole.GID, r)
	}
	if around, err := Current(); err == nil && !around.contain(whole) {
		m.Reason = "the user namespace around has no root, or not those ids"
		return m, nil
	}
	return whole, nil
}

// mayWriteMaps reports whether one of mapPrograms has what it needs, when its file has
// mode. A program gets no capability that the bounding set of its caller lacks, as that
// of a container. With file capabilities it is said to need no more than CAP_SETUID;
// set-user-ID root it is somebody else than the caller, whose namespace it is, and needs
// CAP_SYS_ADMIN (map_write in the kernel's user_namespace.c; shadow-utils built with
// libcap would do without).
func mayWriteMaps(mode fs.FileMode, bounded func(capability int) bool) bool {
	return bounded(unix.CAP_SYS_ADMIN) || mode&fs.ModeSetuid == 0 && bounded(unix.CAP_SETUID) && bounded(unix.CAP_SETGID)
}

// bounded reports whether a capability is in this process's bounding set.
func bounded(capability int) bool {
	in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(capability), 0, 0, 0)
	return err != nil || in == 1
}

// contain reports whether the ids that maps lead to exist in this namespace, and
// root, without whom the programs that write maps have no privilege.
func (m Maps) contain(maps Maps) bool {
	all := func(have, want []Map) bool {
		for _, w := range want {
			if !covers(have, uint32(w.HostID)) || !covers(have, uint32(w.HostID+w.Size-1)) {
				return false
			}
		}
		return covers(have, 0)
	}
	return all(m.UID, maps.UID) && all(m.GID, maps.GID)
}

func appendRange(maps []Map, r idtools.SubIDRange) []Map {
	last := maps[len(maps)-1]
	return append(maps, Map{ContainerID: last.ContainerID + last.Size, HostID: r.Start, Size: r.Length})
}

// rootMaps are the maps of root, whose all ids are: each is itself, as far as
// there are ids in the namespace around.
func rootMaps() (Maps, bool) {
	if os.Geteuid() != 0 || !mayMap() {
		return Maps{}, false
	}
	around, err := Current()
	if err != nil || around.Single() {
		return Maps{}, false
	}
	return Maps{UID: sameInside(around.UID), GID: sameInside(around.GID)}, true
}

// sameInside maps every id of a namespace to itself.
func sameInside(around []Map) []Map {
	var same []Map
	for _, m := range around {
		same = append(same, Map{ContainerID: m.ContainerID, HostID: m.ContainerID, Size: m.Size})
	}
	return same
}

// mayMap reports whether this process may write id maps of others than itself;
// to map 0, Linux 5.12 asks for CAP_SETFCAP too (user_namespaces(7)).
func mayMap() bool {
	return Capable(unix.CAP_SETUID) && Capable(unix.CAP_SETGID) && Capable(unix.CAP_SETFCAP)
}
