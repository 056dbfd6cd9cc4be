// SPDX-License-Identifier: Apache-2.0

package files

import (
	"path"
	"strings"
	"syscall"

	"coracle/pkg/ids"
	"coracle/pkg/inroot"
)

// Owner is who a file belongs to; the zero value is root.
type Owner struct{ UID, GID int }

// ResolveOwner reads --chown: names or numbers of a user and a group, either of
// which may be missing. Names are those of the accounts of the image below
// root. A user's number without a group is the group's number too; a group
// without a user is root's. Root needs no account: the user of an image from
// scratch has none.
func ResolveOwner(root, text string) (Owner, error) {
	user, group, _ := strings.Cut(text, ":")
	var own Owner
	if user != "" {
		u, _, err := ids.ResolveUser(root, user, nil)
		if err != nil && user != rootName {
			return own, err
		}
		own = Owner{int(u.UID), int(u.GID)}
		if isNumber(user) {
			own.GID = own.UID
		}
	}
	if group != "" {
		g, _, err := ids.ResolveUser(root, "0:"+group, nil)
		if err != nil && group != rootName {
			return own, err
		}
		own.GID = int(g.GID)
	}
	return own, nil
}

// OwnerOf is who a file of the tree belongs to.
func (t *Tree) OwnerOf(name string, st *syscall.Stat_t) Owner {
	own := Owner{int(st.Uid), int(st.Gid)}
	if !ids.Single() {
		return own
	}
	dir, err := t.root.Open(path.Dir(name))
	if err != nil {
		return own
	}
	defer dir.Close()
	own.UID, own.GID = ids.RecordedName(inroot.Path(dir), path.Base(name), st.Mode, st.Uid, st.Gid)
	return own
}

const rootName = "root"

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

// NumericOwner reports whether --chown has no names, which --link cannot look
// up: its layer knows no image. "root" is no name but a number.
func NumericOwner(text string) bool {
	user, group, _ := strings.Cut(text, ":")
	number := func(s string) bool { return s == rootName || isNumber(s) }
	return text == "" || user != "" && number(user) && number(group)
}
