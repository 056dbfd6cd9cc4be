// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Group is one container's cgroup.
type Group struct {
	dir         string
	controllers []string
	file        *os.File // of the directory; nil when the group was only opened to be read
}

// groupPrefix begins the name of a container's group.
const groupPrefix = "coracle-"

// New makes the group of a container, or takes over what is left of it. The
// processes in it may be limited later. The tree is prepared, or this process
// is the only one in it. The caller closes the group, and
// removes it when its processes have ended.
func (t *Tree) New(id string, need []string) (*Group, error) {
	if err := t.Prepare(need); err != nil {
		return nil, err
	}
	dir := filepath.Join(t.dir, groupPrefix+id)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("create cgroup: %w", err)
	}
	g, err := Open(dir)
	if err != nil {
		return nil, err
	}
	if g.file, err = os.Open(dir); err != nil {
		return nil, fmt.Errorf("open cgroup: %w", err)
	}
	return g, nil
}

// Open returns the group at dir.
func Open(dir string) (*Group, error) {
	data, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return nil, fmt.Errorf("open cgroup: %w", err)
	}
	return &Group{dir: dir, controllers: strings.Fields(string(data))}, nil
}

// Dir is the group's directory.
func (g *Group) Dir() string { return g.dir }

// FD is the directory's descriptor, for processes to be born in the group
// (CLONE_INTO_CGROUP, Linux 5.7).
func (g *Group) FD() int { return int(g.file.Fd()) }

// Close gives the descriptor back.
func (g *Group) Close() error { return g.file.Close() }

// Controllers are those that the group has.
func (g *Group) Controllers() []string { return g.controllers }

// Set applies limits: all that the group has controllers for.
func (g *Group) Set(l Limits) error {
	if l.PidsLimit == 0 {
		l.PidsLimit = defaultPids
	}
	list, err := l.settings()
	if err != nil {
		return err
	}
	for _, s := range list {
		if !slices.Contains(g.controllers, s.controller) {
			continue
		}
		err := write(g.dir, s.file, s.value)
		if s.file == "io.weight" && errors.Is(err, fs.ErrNotExist) {
			// BFQ has its own file; without a scheduler that knows weights
			// there is neither.
			err = write(g.dir, "io.bfq.weight", s.value)
		}
		if s.file == "memory.swap.max" && errors.Is(err, fs.ErrNotExist) {
			err = nil // a kernel without swap accounting has nothing to limit
		}
		if err != nil {
			return fmt.Errorf("set %s to %q: %w", s.file, s.value, err)
		}
	}
	return nil
}

// Freeze stops every process of the group where it stands, and returns when
// all have stopped.
func (g *Group) Freeze(ctx context.Context) error {
	if err := write(g.dir, "cgroup.freeze", "1"); err != nil {
		return fmt.Errorf("freeze cgroup: %w", err)
	}
	if err := g.await(ctx, "frozen 1"); err != nil {
		return fmt.Errorf("freeze cgroup: %w", errors.Join(err, g.Thaw()))
	}
	return nil
}

// Thaw lets the processes of the group go on.
func (g *Group) Thaw() error {
	if err := write(g.dir, "cgroup.freeze", "0"); err != nil {
		return fmt.Errorf("thaw cgroup: %w", err)
	}
	return nil
}

// Kill kills every process of the group, frozen ones too (Linux 5.14). It is the end of
// the group: what clone3(2) puts into it afterwards (CLONE_INTO_CGROUP) the kernel kills
// as well (seen on Linux 6.18).
func (g *Group) Kill() error {
	if err := write(g.dir, "cgroup.kill", "1"); err != nil {
		return fmt.Errorf("kill cgroup: %w", err)
	}
	return nil
}

// await waits until cgroup.events has the line. The kernel announces changes
// of the file as POLLPRI.
func (g *Group) await(ctx context.Context, line string) error {
	f, err := os.Open(filepath.Join(g.dir, "cgroup.events"))
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, 256)
	for {
		n, err := f.ReadAt(buf, 0)
		if n == 0 && err != nil {
			return err
		}
		if strings.Contains("\n"+string(buf[:n]), "\n"+line+"\n") {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLPRI}}, 100)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("poll", err)
		}
	}
}

// removeTime is how long a group that is being removed may still have
// processes: dead ones that nobody has reaped yet.
const removeTime = 2 * time.Second

// Remove removes a group whose processes have ended, with the groups below it.
// A group that is gone is no error.
func Remove(dir string) error {
	if !strings.HasPrefix(filepath.Base(dir), groupPrefix) {
		return fmt.Errorf("remove cgroup: %s is none of ours", dir) // a damaged record may say anything
	}
	ctx, cancel := context.WithTimeout(context.Background(), removeTime)
	defer cancel()
	err := removeTree(dir)
	if errors.Is(err, unix.EBUSY) {
		if err = (&Group{dir: dir}).await(ctx, "populated 0"); err == nil {
			err = removeTree(dir)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove cgroup: %w", err)
	}
	return nil
}

func removeTree(dir string) error {
	err := unix.Rmdir(dir)
	if !errors.Is(err, unix.EBUSY) {
		return err
	}
	entries, rerr := os.ReadDir(dir)
	if rerr != nil {
		return rerr
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return unix.Rmdir(dir)
}

// CheckDevice reports why the use of a device cannot be bounded.
func CheckDevice(path string) error {
	_, err := deviceNumber(path)
	return err
}

// deviceNumber is a block device as io.max names it: 8:0.
func deviceNumber(p string) (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(p, &st); err != nil {
		return "", &os.PathError{Op: "stat", Path: p, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return "", fmt.Errorf("%s is not a block device", p)
	}
	return fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev)), nil
}
