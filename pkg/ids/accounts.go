// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/inroot"
)

// User are the numbers of a user of a container, see ResolveUser.
type User struct {
	UID, GID       uint32
	AdditionalGIDs []uint32
}

// maxAccounts bounds /etc/passwd and /etc/group of an image, which may be
// anything (CVE-2024-9676).
const maxAccounts = 10 << 20

// maxID is the largest user or group id; 2^32-1 means "no change" to the
// kernel.
const maxID = 1<<31 - 1

// ResolveUser turns Docker's USER, "name|uid[:group|gid]", into numbers with
// the help of the image's own /etc/passwd and /etc/group, which it opens inside
// rootfs. A number needs no entry. The supplementary groups of a user given by
// name or number come from /etc/group unless a group is given; groupAdd comes
// on top. home is the user's directory, "/" without an entry.
func ResolveUser(rootfs, user string, groupAdd []string) (u User, home string, err error) {
	passwd, err := readAccounts(rootfs, "/etc/passwd", 7, 3)
	if err != nil {
		return User{}, "", err
	}
	groups, err := readAccounts(rootfs, "/etc/group", 4, 3)
	if err != nil {
		return User{}, "", err
	}
	name, group, hasGroup := strings.Cut(user, ":")
	if hasGroup && group == "" {
		hasGroup = false
	}
	home = "/"
	uid, numeric, err := parseID(name)
	if err != nil {
		return User{}, "", fmt.Errorf("unable to find user %s: %w", name, err)
	}
	u.UID = uid
	found := false
	for _, e := range passwd {
		id, ok := entryID(e[2])
		if !ok || !(numeric && id == uid || !numeric && (e[0] == name || name == "" && id == 0)) {
			continue
		}
		gid, _ := entryID(e[3])
		u.UID, u.GID, name, found = id, gid, e[0], true
		if e[5] != "" {
			home = e[5]
		}
		break
	}
	if !found && !numeric && name != "" {
		return User{}, "", fmt.Errorf("unable to find user %s: no matching entries in passwd file", name)
	}
	if name == "" && !found && home == "/" {
		home = "/root"
	}
	if hasGroup {
		if u.GID, err = resolveGroup(groups, group); err != nil {
			return User{}, "", err
		}
	} else if found {
		for _, e := range groups {
			if id, ok := entryID(e[2]); ok && slices.Contains(strings.Split(e[3], ","), name) {
				u.AdditionalGIDs = append(u.AdditionalGIDs, id)
			}
		}
	}
	for _, g := range groupAdd {
		id, err := resolveGroup(groups, g)
		if err != nil {
			return User{}, "", err
		}
		u.AdditionalGIDs = append(u.AdditionalGIDs, id)
	}
	// A process that lacks its primary group among the supplementary ones
	// could get past a file mode that denies that group (CVE-2022-36109).
	if !slices.Contains(u.AdditionalGIDs, u.GID) {
		u.AdditionalGIDs = append([]uint32{u.GID}, u.AdditionalGIDs...)
	}
	return u, home, nil
}

func resolveGroup(groups [][]string, group string) (uint32, error) {
	gid, numeric, err := parseID(group)
	if err != nil {
		return 0, fmt.Errorf("unable to find group %s: %w", group, err)
	}
	if numeric {
		return gid, nil
	}
	for _, e := range groups {
		if id, ok := entryID(e[2]); ok && e[0] == group {
			return id, nil
		}
	}
	return 0, fmt.Errorf("unable to find group %s: no matching entries in group file", group)
}

// parseID tells a number from a name. What looks like a number but is none
// that the kernel takes is an error, never another number (CVE-2026-30892).
func parseID(s string) (id uint32, numeric bool, err error) {
	if s == "" || strings.Trim(s, "+-0123456789") != "" {
		return 0, false, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > maxID {
		return 0, false, errors.New("uids and gids must be in range 0-2147483647")
	}
	return uint32(n), true, nil
}

func entryID(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n <= maxID
}

// readAccounts reads a file of lines with so many fields. What is missing of them
// behind the least is empty, as in Docker: not every image's lines are whole. A
// file that is not there has none.
func readAccounts(rootfs, path string, fields, least int) ([][]string, error) {
	root, err := inroot.OpenRoot(rootfs)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := inroot.Root(root).Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() || st.Size() > maxAccounts {
		return nil, fmt.Errorf("read the container's %s: not a regular file of at most 10 MiB", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxAccounts))
	if err != nil {
		return nil, fmt.Errorf("read the container's %s: %w", path, err)
	}
	var list [][]string
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxAccounts)
	for lines.Scan() {
		e := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if len(e) < least || strings.HasPrefix(e[0], "#") {
			continue
		}
		for len(e) < fields {
			e = append(e, "")
		}
		list = append(list, e)
	}
	return list, nil
}
