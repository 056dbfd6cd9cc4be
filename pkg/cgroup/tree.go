// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/systemd"
)

// Tree is a part of the cgroup2 tree that belongs to the caller.
type Tree struct {
	dir         string // as this process's mount namespace shows it
	controllers []string
}

// ErrNotDelegated says that no part of a cgroup2 tree belongs to the caller.
var ErrNotDelegated = errors.New("no cgroup is delegated to you")

// Controllers are those that groups of the tree can have.
func (t *Tree) Controllers() []string { return t.controllers }

// Dir is the delegated cgroup's directory.
func (t *Tree) Dir() string { return t.dir }

// Find returns the tree that the caller's own cgroup is in, or an error that
// is ErrNotDelegated.
func Find() (*Tree, error) {
	own, mount, err := ownCgroup()
	if err != nil {
		return nil, err
	}
	var dir string
	for d := own; writable(d); d = filepath.Dir(d) {
		if isUserManager(d) {
			// What is between here and the caller is systemd's, but for units
			// that it has delegated.
			dir = topDelegated(d, own, askManager)
			break
		}
		dir = d
		if d == mount {
			break
		}
	}
	if dir == "" {
		return nil, ErrNotDelegated
	}
	return OpenTree(dir)
}

// OpenTree returns the tree at dir, which is known to be delegated.
func OpenTree(dir string) (*Tree, error) {
	data, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return nil, fmt.Errorf("read cgroup: %w", err)
	}
	return &Tree{dir: dir, controllers: strings.Fields(string(data))}, nil
}

// isUserManager recognizes the cgroup of a user's systemd, user@1000.service.
func isUserManager(dir string) bool {
	ok, _ := path.Match("user@*.service", filepath.Base(dir))
	return ok
}

// topDelegated returns the highest cgroup between manager and own that the user's
// systemd has delegated, or "". It marks those (user.delegate), but as of 252 none
// of its services': for one of these asks is to know.
func topDelegated(manager, own string, asks func(service string) bool) string {
	found, service := "", ""
	for d := own; d != manager; d = filepath.Dir(d) {
		var mark [1]byte
		if n, err := unix.Getxattr(d, "user.delegate", mark[:]); err == nil && n == 1 && mark[0] == '1' {
			found = d
		}
		if strings.HasSuffix(d, ".service") {
			service = d
		}
	}
	if found == "" && service != "" && asks(filepath.Base(service)) {
		found = service
	}
	return found
}

func askManager(service string) bool { return systemd.Delegates(context.Background(), service) }

// writable reports whether the caller may make groups in dir and move
// processes there. The owner counts, as for who has only a group's or
// everybody's permission the tree was not meant.
func writable(dir string) bool {
	for _, name := range []string{"", "cgroup.procs", "cgroup.subtree_control"} {
		p := filepath.Join(dir, name)
		var st unix.Stat_t
		if unix.Stat(p, &st) != nil || int(st.Uid) != os.Geteuid() || unix.Access(p, unix.W_OK) != nil {
			return false
		}
	}
	return true
}

// ownCgroup returns the directory of the caller's cgroup in the cgroup2 tree,
// and the mount point that it is below.
func ownCgroup() (own, mount string, err error) { return locate("self") }

// cgroupOf returns the directory of a process's cgroup.
func cgroupOf(pid int) (string, error) {
	dir, _, err := locate(strconv.Itoa(pid))
	return dir, err
}

func locate(pid string) (own, mount string, err error) {
	data, err := os.ReadFile("/proc/" + pid + "/cgroup")
	if err != nil {
		return "", "", fmt.Errorf("find cgroup: %w", err)
	}
	name := ""
	for line := range strings.Lines(string(data)) {
		if p, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			name = p
		}
	}
	if name == "" || strings.HasPrefix(name, "/..") {
		return "", "", ErrNotDelegated
	}
	root, mount, err := mountPoint()
	if err != nil {
		return "", "", err
	}
	rel, err := filepath.Rel(root, name)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return "", "", ErrNotDelegated
	}
	return filepath.Join(mount, rel), mount, nil
}

// mountPoint finds the cgroup2 tree in mountinfo (proc_pid_mountinfo(5)), and
// which part of it is mounted there.
func mountPoint() (root, dir string, err error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", "", fmt.Errorf("find cgroups: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		front, back, _ := strings.Cut(lines.Text(), " - ")
		if !strings.HasPrefix(back, "cgroup2 ") {
			continue
		}
		if fields := strings.Fields(front); len(fields) >= 5 {
			return unescape(fields[3]), unescape(fields[4]), nil
		}
	}
	return "", "", ErrNotDelegated
}

// unescape undoes mountinfo's \040.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// hostGroup is where the processes of the delegated cgroup itself go.
const hostGroup = "coracle-host"

// enableTime is how long others may be in the way of a controller: processes
// that somebody starts in the cgroup meanwhile, and set-user-ID programs such
// as newuidmap, which an unprivileged user may not put under another cpuset.
const enableTime = time.Second

// Prepare switches controllers on for the tree's children, and moves processes
// down for that: those that the caller's pid namespace knows. Controllers that
// the tree cannot have are left out, and what limits are missing is for
// [Limits.Missing] to say; that one of need is there and cannot be switched on
// is an error.
func (t *Tree) Prepare(need []string) error {
	data, err := os.ReadFile(filepath.Join(t.dir, "cgroup.subtree_control"))
	if err != nil {
		return fmt.Errorf("enable cgroup controllers: %w", err)
	}
	on := strings.Fields(string(data))
	for _, c := range []string{"memory", "pids", "cpu", "cpuset", "io"} {
		if slices.Contains(on, c) || !slices.Contains(t.controllers, c) {
			continue
		}
		if err := t.enable(c, slices.Contains(need, c)); err != nil && slices.Contains(need, c) {
			return fmt.Errorf("enable cgroup controller %s: %w", c, err)
		}
	}
	return nil
}

// enable switches one controller on. It only waits for one that is needed.
func (t *Tree) enable(controller string, wait bool) error {
	for begin := time.Now(); ; time.Sleep(enableTime / 100) {
		err := write(t.dir, "cgroup.subtree_control", "+"+controller)
		if errors.Is(err, unix.EBUSY) {
			if err = t.vacate(); err == nil {
				err = write(t.dir, "cgroup.subtree_control", "+"+controller)
			}
		}
		again := errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EPERM)
		if !again || !wait || time.Since(begin) > enableTime {
			return err
		}
	}
}

// vacate moves the processes of the delegated cgroup itself one level down.
func (t *Tree) vacate() error {
	if err := os.Mkdir(filepath.Join(t.dir, hostGroup), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	pids, err := os.ReadFile(filepath.Join(t.dir, "cgroup.procs"))
	if err != nil {
		return err
	}
	for _, pid := range strings.Fields(string(pids)) {
		err := write(filepath.Join(t.dir, hostGroup), "cgroup.procs", pid)
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("move process %s: %w", pid, err)
		}
	}
	return nil
}

// write writes one value to one file of cgroupfs.
func write(dir, file, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// Available are the controllers that a new container's group would have, and
// whether there would be one at all.
func Available() (names []string, delegated bool) {
	if t, err := Find(); err == nil {
		return t.Controllers(), true
	}
	names = ScopeControllers()
	return names, len(names) > 0
}
