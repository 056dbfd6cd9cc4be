// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/ids"
)

// OnPaper is a process as it runs where there is a single id: as the one that there is,
// with its user beside it as who it is on paper then (package ids/paper), if that is
// somebody else. m has one id.
func OnPaper(p *specs.Process, m ids.Maps) (*specs.Process, *ids.User) {
	u := ids.User{UID: p.User.UID, GID: p.User.GID, AdditionalGIDs: p.User.AdditionalGids}
	uid, gid := uint32(m.UID[0].ContainerID), uint32(m.GID[0].ContainerID)
	others := slices.ContainsFunc(u.AdditionalGIDs, func(g uint32) bool { return g != u.GID })
	if u.UID == 0 && u.GID == 0 && uid == 0 && gid == 0 && !others {
		return p, nil
	}
	one := *p
	one.User.UID, one.User.GID, one.User.AdditionalGids = uid, gid, nil
	if u.UID == 0 && uid != 0 && p.Capabilities != nil {
		// Who is not root to the kernel keeps capabilities through execve(2) as
		// ambient ones alone (capabilities(7)).
		caps := *p.Capabilities
		caps.Inheritable, caps.Ambient = caps.Permitted, caps.Permitted
		one.Capabilities = &caps
	}
	return &one, &u
}
