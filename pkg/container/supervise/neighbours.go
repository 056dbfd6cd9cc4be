// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/container"
	"coracle/pkg/ns/fork"
	"coracle/pkg/wire"
)

// joined are the namespaces of other containers that a start is in, all of them in the
// user namespace of this process. Nil is none.
type joined struct {
	pid, ipc *os.File
	hostPID  bool // the other has the host's
	hostIPC  bool
	shm      *os.File // what is at /dev/shm with ipc
}

func (j *joined) close() { wire.CloseFiles([]*os.File{j.pid, j.ipc, j.shm}) }

// errRestarting is a neighbour's who will run again.
var errRestarting = errors.New("it is restarting")

// join opens the namespaces of the containers beside which this one is to be, as they
// are now: with each of their starts they are others.
func join(store *container.Store, c *container.Container) (*joined, error) {
	j := &joined{}
	for _, n := range c.Neighbours() {
		if n.Kind == container.NeighbourNetwork {
			continue // it came with the request to start
		}
		if err := j.add(store, n); err != nil {
			j.close()
			return nil, err
		}
	}
	return j, nil
}

func (j *joined) add(store *container.Store, n container.Neighbour) error {
	other, err := store.Load(n.ID)
	if err != nil {
		return n.Refuse(err)
	}
	if err := n.Check(other); err != nil {
		if other.State.Status == container.Restarting {
			return fmt.Errorf("%w: %w", errRestarting, err)
		}
		return err
	}
	switch f := other.Safety; {
	case n.Kind == container.NeighbourPID && f.HostPID:
		j.hostPID = true
		return nil
	case n.Kind == container.NeighbourIPC && f.HostIPC:
		j.hostIPC = true
		return nil
	}
	err = j.open(n.Kind, filepath.Join("/proc", strconv.Itoa(other.State.Pid), "ns"))
	// The number may be another process's by now, of a container that was started again.
	again, lerr := store.Load(n.ID)
	switch same := lerr == nil && again.State.Pid == other.State.Pid && again.State.Supervisor == other.State.Supervisor; {
	case lerr != nil:
		return n.Refuse(lerr)
	case same && errors.Is(err, errOtherUser):
		return n.Refuse(fmt.Errorf("container %s was started again: start this container anew", n.ID))
	case same && !errors.Is(err, fs.ErrNotExist):
		if err != nil {
			err = n.Refuse(err)
		}
		return err
	case again.State.IsRunning(): // its process has ended, and what follows is not recorded yet
		again.State.Status = container.Restarting
		return fmt.Errorf("%w: %w", errRestarting, n.Check(again))
	}
	return n.NotRunning()
}

// errOtherUser says that a process is in another user namespace than this one.
var errOtherUser = errors.New("in another user namespace")

// open opens what is joined of a process. fs.ErrNotExist is the error when it has ended.
func (j *joined) open(kind, namespaces string) error {
	same, err := sameNamespace(filepath.Join(namespaces, "user"), "/proc/self/ns/user")
	if !same {
		return cmp.Or(err, errOtherUser)
	}
	if kind == container.NeighbourPID {
		j.pid, err = os.Open(filepath.Join(namespaces, "pid"))
		return err
	}
	if j.ipc, err = os.Open(filepath.Join(namespaces, "ipc")); err == nil {
		j.shm, err = shmOf(filepath.Join(namespaces, "mnt"))
	}
	return err
}

// shmOf is what a mount namespace has at /dev/shm, as a detached mount. It is for a
// process in there to take it.
func shmOf(namespace string) (*os.File, error) {
	mnt, err := os.Open(namespace)
	if err != nil {
		return nil, err
	}
	defer mnt.Close()
	fd, err := fork.OpenTreeIn(mnt, "/dev/shm")
	if err != nil {
		return nil, fmt.Errorf("open its /dev/shm: %w", err)
	}
	return os.NewFile(uintptr(fd), "shm"), nil
}

// mount puts the other's /dev/shm among the mounts of a start, whose it is then,
// unless something else was asked for there.
func (j *joined) mount(p *prepared) {
	const shm = "/dev/shm"
	if j.shm == nil || slices.ContainsFunc(p.list, func(m specs.Mount) bool { return filepath.Clean(m.Destination) == shm }) {
		return
	}
	p.replace(specs.Mount{Destination: shm, Type: "bind", Source: shm, Options: []string{"rbind", "nosuid", "noexec", "nodev"}}, j.shm)
	j.shm = nil
}

// sameNamespace compares two links of /proc/PID/ns. Who may not look is in another one;
// the error is that of a process which has ended.
func sameNamespace(a, b string) (bool, error) {
	ia, err := os.Stat(a)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return false, err
	}
	ib, err := os.Stat(b)
	return err == nil && os.SameFile(ia, ib), err
}

// ended is the error of a start beside others: in a pid namespace whose init has ended
// nothing can be started (pid_namespaces(7)), and it may come again.
func (j *joined) ended(err error) error {
	if j.pid != nil && errors.Is(err, syscall.ENOMEM) {
		return fmt.Errorf("%w: %w", errRestarting, err)
	}
	return err
}

// lodgers are the processes of a container in another's pid namespace, whose init ends
// them not when this container ends: they are known by their mount namespace.
type lodgers struct{ mnt os.FileInfo }

// lodgersWith are those beside a first process that is about to run; nil where the pid
// namespace is the container's own.
func lodgersWith(c *container.Container, pid int) *lodgers {
	if c.Safety.PIDOf == "" {
		return nil
	}
	mnt, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "ns/mnt"))
	if err != nil {
		return nil
	}
	return &lodgers{mnt}
}

// lodgerRounds and lodgerTime bound the hunt for processes that multiply while they
// are killed, and the wait for the end of those that were.
const (
	lodgerRounds = 1000
	lodgerTime   = 10 * time.Second
)

// end kills them. It returns when none is left.
func (l *lodgers) end() {
	deadline := time.Now().Add(lodgerTime)
	for range lodgerRounds {
		if !l.killEach(deadline) {
			return
		}
	}
	fmt.Fprintln(os.Stderr, "supervise: processes are left in the pid namespace of another container")
}

// killEach reports whether there was one.
func (l *lodgers) killEach(deadline time.Time) (found bool) {
	list, _ := filepath.Glob("/proc/[0-9]*") // the pattern is good
	for _, dir := range list {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || !l.has(pid) {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue
		}
		if l.has(pid) && unix.PidfdSendSignal(fd, syscall.SIGKILL, nil, 0) == nil {
			found = true
			left := max(time.Until(deadline), 0)
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		}
		unix.Close(fd)
	}
	return found
}

// has is false for a process that has ended, too: it is in no namespace.
func (l *lodgers) has(pid int) bool {
	mnt, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "ns/mnt"))
	return err == nil && os.SameFile(mnt, l.mnt)
}
