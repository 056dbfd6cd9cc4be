// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/rootless-containers/rootlesskit/v3/pkg/parent/idtools"
	"golang.org/x/sys/unix"
)

// IDMap is one line of user_namespaces(7)' uid_map.
type IDMap struct {
	ContainerID int `json:"containerId"`
	HostID      int `json:"hostId"`
	Size        int `json:"size"`
}

// Maps are the id maps of a user namespace: the caller becomes 0, and the ids
// that the administrator gave to the caller follow from 1.
type Maps struct {
	UID []IDMap `json:"uid"`
	GID []IDMap `json:"gid"`
	// Reason says why there is only a single id, when there is.
	Reason string `json:"reason,omitempty"`
}

// Has reports whether a user and a group exist inside the namespace.
func (m Maps) Has(uid, gid uint32) bool { return covers(m.UID, uid) && covers(m.GID, gid) }

func covers(maps []IDMap, id uint32) bool {
	for _, m := range maps {
		if uint64(id) >= uint64(m.ContainerID) && uint64(id) < uint64(m.ContainerID)+uint64(m.Size) {
			return true
		}
	}
	return false
}

// Single reports whether the caller's own id is the only one.
func (m Maps) Single() bool { return len(m.UID) == 1 && m.UID[0].Size == 1 }

// The set-user-ID programs of shadow-utils that write maps of several ids;
// the only programs coracle runs that are not its own. By absolute path: PATH
// is the caller's.
var mapPrograms = [2]string{"/usr/bin/newuidmap", "/usr/bin/newgidmap"}

// HostMaps returns the maps that the calling user may have: every id for root,
// the ranges of /etc/subuid and /etc/subgid where the host has newuidmap and
// newgidmap, and a single id otherwise. CORACLE_SINGLE_ID=1 asks for the single
// id.
func HostMaps() (Maps, error) {
	uid, gid := os.Geteuid(), os.Getegid()
	m := Maps{UID: []IDMap{{0, uid, 1}}, GID: []IDMap{{0, gid, 1}}}
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
		if _, err := os.Stat(p); err != nil {
			m.Reason = p + notInstalled
			return m, nil
		}
	}
	name := ""
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		name = u.Username
	}
	uids, gids, err := idtools.GetSubIDRanges(uid, name)
	if err != nil {
		m.Reason = err.Error()
		return m, nil
	}
	whole := Maps{UID: m.UID, GID: m.GID}
	for _, r := range uids {
		whole.UID = appendRange(whole.UID, r)
	}
	for _, r := range gids {
		whole.GID = appendRange(whole.GID, r)
	}
	if around, err := CurrentMaps(); err == nil && !around.contain(whole) {
		m.Reason = "the user namespace around has no root, or not those ids"
		return m, nil
	}
	return whole, nil
}

// contain reports whether the ids that maps lead to exist in this namespace, and
// root, without whom the programs that write maps have no privilege.
func (m Maps) contain(maps Maps) bool {
	all := func(have, want []IDMap) bool {
		for _, w := range want {
			if !covers(have, uint32(w.HostID)) || !covers(have, uint32(w.HostID+w.Size-1)) {
				return false
			}
		}
		return covers(have, 0)
	}
	return all(m.UID, maps.UID) && all(m.GID, maps.GID)
}

func appendRange(maps []IDMap, r idtools.SubIDRange) []IDMap {
	last := maps[len(maps)-1]
	return append(maps, IDMap{ContainerID: last.ContainerID + last.Size, HostID: r.Start, Size: r.Length})
}

// write gives the maps to the user namespace of process pid, a direct child
// that waits for them.
func (m Maps) write(pid int) error {
	if m.Single() {
		return m.writeSingle(pid)
	}
	if os.Geteuid() == 0 && mayMap() {
		if err := writeProc(pid, "gid_map", mapText(m.GID)); err != nil {
			return err
		}
		return writeProc(pid, "uid_map", mapText(m.UID))
	}
	// The two programs take a few milliseconds each: side by side.
	done := make(chan error, 1)
	go func() { done <- runMapProgram(mapPrograms[1], pid, m.GID) }()
	err := runMapProgram(mapPrograms[0], pid, m.UID)
	if gerr := <-done; err == nil {
		err = gerr
	}
	return err
}

// writeSingle writes the map that needs no privilege. setgroups(2) has to be
// given up for it (CVE-2014-8989).
func (m Maps) writeSingle(pid int) error {
	for _, f := range []struct{ name, text string }{
		{"setgroups", "deny"},
		{"gid_map", mapText(m.GID)},
		{"uid_map", mapText(m.UID)},
	} {
		if err := writeProc(pid, f.name, f.text); err != nil {
			return err
		}
	}
	return nil
}

func writeProc(pid int, name, text string) error {
	w, err := os.OpenFile("/proc/"+strconv.Itoa(pid)+"/"+name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = w.WriteString(text)
	w.Close()
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func mapText(maps []IDMap) string {
	var b strings.Builder
	for _, m := range maps {
		fmt.Fprintln(&b, m.ContainerID, m.HostID, m.Size)
	}
	return b.String()
}

// give is write for maps that somebody else has thought of: root of the
// namespace around writes what it likes.
func (m Maps) give(pid int) error {
	var err error
	switch {
	case os.Geteuid() == 0:
		if err = writeProc(pid, "gid_map", mapText(m.GID)); err == nil {
			err = writeProc(pid, "uid_map", mapText(m.UID))
		}
	case m.Single() && len(m.GID) == 1 && m.GID[0].Size == 1 && m.UID[0].HostID == os.Geteuid():
		err = m.writeSingle(pid)
	default:
		err = m.write(pid)
	}
	if err != nil {
		return fmt.Errorf("map ids: %w", err)
	}
	return nil
}

// runMapProgram runs newuidmap or newgidmap. Not through os/exec: that package
// would resolve paths and copy output through goroutines for nothing.
func runMapProgram(path string, pid int, maps []IDMap) error {
	args := []string{path, strconv.Itoa(pid)}
	for _, m := range maps {
		args = append(args, strconv.Itoa(m.ContainerID), strconv.Itoa(m.HostID), strconv.Itoa(m.Size))
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	p, err := os.StartProcess(path, args, &os.ProcAttr{Env: []string{}, Files: []*os.File{nil, w, w}})
	w.Close()
	if err != nil {
		return fmt.Errorf("run %s: %w", path, err)
	}
	said := make([]byte, 512)
	n, _ := r.Read(said)
	st, err := p.Wait()
	if err != nil {
		return fmt.Errorf("run %s: %w", path, err)
	}
	if !st.Success() {
		return &mapError{program: path, said: strings.TrimSpace(string(said[:n]))}
	}
	return nil
}

type mapError struct{ program, said string }

func (e *mapError) Error() string { return "run " + e.program + ": " + e.said }
func (e *mapError) Hint() string {
	return "check that " + e.program + " is set-user-ID root and that your line in /etc/subuid and /etc/subgid is right; CORACLE_SINGLE_ID=1 does without"
}
