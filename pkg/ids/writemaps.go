// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"coracle/pkg/hint"
)

// The set-user-ID programs of shadow-utils that write maps of several ids. By
// absolute path: PATH is the caller's.
var mapPrograms = [2]string{"/usr/bin/newuidmap", "/usr/bin/newgidmap"}

// Write gives the maps to the user namespace of process pid, a direct child
// that waits for them.
func (m Maps) Write(pid int) error {
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

func mapText(maps []Map) string {
	var b strings.Builder
	for _, m := range maps {
		fmt.Fprintln(&b, m.ContainerID, m.HostID, m.Size)
	}
	return b.String()
}

// Give is Write for maps that somebody else has thought of: root of the
// namespace around writes what it likes.
func (m Maps) Give(pid int) error {
	var err error
	switch {
	case os.Geteuid() == 0:
		if err = writeProc(pid, "gid_map", mapText(m.GID)); err == nil {
			err = writeProc(pid, "uid_map", mapText(m.UID))
		}
	case m.Single() && len(m.GID) == 1 && m.GID[0].Size == 1 && m.UID[0].HostID == os.Geteuid():
		err = m.writeSingle(pid)
	default:
		err = m.Write(pid)
	}
	if err != nil {
		return fmt.Errorf("map ids: %w", err)
	}
	return nil
}

// runMapProgram runs newuidmap or newgidmap. Not through os/exec: that package
// would resolve paths and copy output through goroutines for nothing.
func runMapProgram(path string, pid int, maps []Map) error {
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
	return hint.SubordinateIDs.After("check that " + e.program + " is set-user-ID root and that your line in /etc/subuid and /etc/subgid is right; CORACLE_SINGLE_ID=1 does without")
}
