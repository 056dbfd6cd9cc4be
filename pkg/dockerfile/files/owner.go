// SPDX-License-Identifier: Apache-2.0

package files

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"coracle/pkg/oci/spec"
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
		u, _, err := spec.ResolveUser(root, user, nil)
		if err != nil && user != rootName {
			return own, err
		}
		own = Owner{int(u.UID), int(u.GID)}
		if isNumber(user) {
			own.GID = own.UID
		}
	}
	if group != "" {
		g, _, err := spec.ResolveUser(root, "0:"+group, nil)
		if err != nil && group != rootName {
			return own, err
		}
		own.GID = int(g.GID)
	}
	return own, nil
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

// foreignIDError is an owner whom the user namespace does not have.
type foreignIDError struct {
	own Owner
	err error
}

func (e *foreignIDError) Error() string {
	return fmt.Sprintf("chown to %d:%d: %v", e.own.UID, e.own.GID, e.err)
}
func (e *foreignIDError) Unwrap() error { return e.err }
func (e *foreignIDError) Hint() string {
	return "the user namespace has no such id; more of them come from /etc/subuid and /etc/subgid"
}

// chown gives a file, or a link itself, to own. In a namespace with one id
// there is nobody else to give a file to.
func chown(dir int, base string, own Owner) error {
	err := unix.Fchownat(dir, base, own.UID, own.GID, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, unix.EINVAL) && SingleID():
		return nil
	case errors.Is(err, unix.EINVAL):
		return &foreignIDError{own, err}
	}
	return err
}

// SingleID reports whether the user namespace has one id.
var SingleID = sync.OnceValue(func() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	f := strings.Fields(string(data))
	return err == nil && len(f) == 3 && f[2] == "1"
})
