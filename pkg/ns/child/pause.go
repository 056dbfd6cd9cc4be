// SPDX-License-Identifier: Apache-2.0

package child

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/ns"
	"coracle/pkg/wire"
)

// becomeRoot makes the stage root of a user namespace whose maps were written
// after it was born there: what is unmapped can create no file.
func (s *setup) becomeRoot() error {
	if s.Joined {
		maps, err := ids.Current()
		s.Single = maps.Single()
		return err
	}
	if !s.BecomeRoot {
		return nil
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, 0, 0, 0); e != 0 {
		return os.NewSyscallError("setresgid", e)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, 0, 0, 0); e != 0 {
		return os.NewSyscallError("setresuid", e)
	}
	return nil
}

// pause tells the parent that the mounts are made and lets it, and then hooks
// that run in here, have their turn.
func (s *setup) pause() error {
	if !s.Pause {
		return nil
	}
	if err := wire.Send(s.sync, ns.Answer{HostPid: s.hostPid}); err != nil {
		return err
	}
	var r ns.Resume
	if _, err := wire.Receive(s.sync, &r); err != nil {
		return fmt.Errorf("the parent is gone: %w", err)
	}
	s.state = r.State
	return s.hooks("createContainer")
}

func (s *setup) hooks(kind string) error {
	h := s.Spec.Hooks
	if h == nil || !s.Pause { // a process that joins has none
		return nil
	}
	if kind == "startContainer" {
		var st specs.State
		if err := json.Unmarshal(s.state, &st); err != nil {
			return err
		}
		st.Status = specs.StateCreated
		told, err := json.Marshal(st)
		if err != nil {
			return err
		}
		return ns.RunHooks(kind, h.StartContainer, told)
	}
	return ns.RunHooks(kind, h.CreateContainer, s.state)
}

// propagate gives the root the propagation that the spec asks for.
func (s *setup) propagate() error {
	flags, ok := rootPropagation[s.Spec.Linux.RootfsPropagation]
	if !ok || flags == 0 {
		return nil
	}
	return os.NewSyscallError("mount", unix.Mount("", "/", "", flags, ""))
}

var rootPropagation = map[string]uintptr{
	"": 0, "private": 0, "rprivate": 0, "slave": unix.MS_SLAVE, "rslave": unix.MS_SLAVE | unix.MS_REC,
	"shared": unix.MS_SHARED, "rshared": unix.MS_SHARED | unix.MS_REC,
	"unbindable": unix.MS_UNBINDABLE, "runbindable": unix.MS_UNBINDABLE | unix.MS_REC,
}

// makePrivate keeps what is mounted in here from the host; what the host
// mounts arrives only where the spec's root is to be a slave of it.
func (s *setup) makePrivate() error {
	flags := uintptr(unix.MS_PRIVATE)
	switch s.Spec.Linux.RootfsPropagation {
	case "slave", "rslave":
		flags = unix.MS_SLAVE
	}
	return unix.Mount("", "/", "", flags|unix.MS_REC, "")
}

// bindRoot puts a mount over a root that is a plain directory.
func (r *rootfs) bindRoot() error {
	tree, err := unix.OpenTree(int(r.dir.Fd()), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE)
	if err != nil {
		return os.NewSyscallError("open_tree", err)
	}
	if err := moveTo(tree, r.dir); err != nil {
		unix.Close(tree)
		return err
	}
	r.dir.Close()
	r.dir = os.NewFile(uintptr(tree), r.path)
	return nil
}

// devices adds the spec's device nodes to /dev.
func (r *rootfs) devices() error {
	for _, d := range r.linux.Devices {
		if err := r.device(d); err != nil {
			return fmt.Errorf("%s: %w", d.Path, err)
		}
	}
	return nil
}

// device binds the host's node of the same name: a user namespace may make
// none. What is there already with the right numbers stays.
func (r *rootfs) device(d specs.LinuxDevice) error {
	kinds := map[string]uint32{"c": unix.S_IFCHR, "u": unix.S_IFCHR, "b": unix.S_IFBLK, "p": unix.S_IFIFO}
	kind, ok := kinds[d.Type]
	if !ok {
		return fmt.Errorf("device type %q is not known", d.Type)
	}
	is := func(f *os.File) bool {
		var st unix.Stat_t
		return unix.Fstat(int(f.Fd()), &st) == nil && st.Mode&unix.S_IFMT == kind &&
			(kind == unix.S_IFIFO || int64(unix.Major(st.Rdev)) == d.Major && int64(unix.Minor(st.Rdev)) == d.Minor)
	}
	if have, err := r.resolve(d.Path, unix.O_PATH); err == nil {
		defer have.Close()
		if is(have) {
			return nil
		}
	} else if !errors.Is(err, unix.ENOENT) {
		return err
	}
	if kind == unix.S_IFIFO {
		return r.fifo(d)
	}
	fd, err := unix.Open(d.Path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the host's: %w", err)
	}
	node := os.NewFile(uintptr(fd), d.Path)
	defer node.Close()
	if !is(node) {
		return fmt.Errorf("the host's is not the device %s %d:%d", d.Type, d.Major, d.Minor)
	}
	to, err := r.mkfile(d.Path)
	if err != nil {
		return err
	}
	defer to.Close()
	tree, err := cloneTree(node)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	return moveTo(tree, to)
}

func (r *rootfs) fifo(d specs.LinuxDevice) error {
	parent, err := r.mkdirAll(path.Dir(path.Clean("/" + d.Path)))
	if err != nil {
		return err
	}
	defer parent.Close()
	mode := uint32(0o666)
	if d.FileMode != nil {
		mode = uint32(d.FileMode.Perm())
	}
	return unix.Mknodat(int(parent.Fd()), path.Base(d.Path), unix.S_IFIFO|mode, 0)
}
