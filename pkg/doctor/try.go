// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
	"coracle/pkg/ids"
	"coracle/pkg/ns"
	"coracle/pkg/ns/child"
	"coracle/pkg/state"
	"coracle/pkg/wire/socket"
	"coracle/pkg/worker"
)

// Ops are the operations of this package, for the worker.
func Ops() []worker.Handler { return []worker.Handler{trial()} }

// trial tries what only the user namespace can.
func trial() worker.Op[trialRequest, trialAnswer] {
	return worker.Op[trialRequest, trialAnswer]{
		Name: "doctor.try",
		Do: func(ctx context.Context, j *worker.Job, r trialRequest) (a trialAnswer, err error) {
			if a.Confined, a.Alone = ns.Confined(), ids.Alone(); a.Confined {
				return a, nil
			}
			for _, b := range abilities() {
				a.Rows = append(a.Rows, b.row(ctx, j.Dirs, r.Store))
			}
			return a, nil
		},
	}
}

type trialRequest struct {
	Store bool `json:"store"` // there is one
}

type trialAnswer struct {
	Rows     []Row `json:"rows"`
	Confined bool  `json:"confined,omitempty"` // there is no user namespace, but a worker without
	Alone    bool  `json:"alone,omitempty"`    // as ids.Alone
}

// try returns the row of user namespaces, and those of what was tried in one.
func try(ctx context.Context, d state.Dirs, withStore bool) []Row {
	first := row(hint.UserNamespaces)
	first.Lost, first.Instead = "containers, builds, and whatever writes the store", ""
	a, err := trial().Call(ctx, d, trialRequest{withStore}, worker.With{})
	if err == nil && !a.Confined {
		return append([]Row{first.present("made one")}, a.Rows...)
	}
	if a.Confined {
		err = ns.WhyConfined()
		first.Lost, first.Instead = "containers, and all isolation of builds", "builds whose commands run by chroot in the container around, without /proc"
		if a.Alone {
			first.Lost, first.Instead = "containers, and RUN in builds", "images, and builds of COPY, ADD and metadata, with owners and modes noted"
		}
	}
	if first = first.absent(err); ns.Sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1" {
		first.Remedy = "coracle doctor --apparmor-profile | sudo tee /etc/apparmor.d/coracle >/dev/null && sudo apparmor_parser -r /etc/apparmor.d/coracle"
	}
	rows := []Row{first}
	for _, b := range abilities() {
		r := b.Row
		r.State, r.Found, r.Remedy = Unknown, "there is no user namespace to try it in", ""
		rows = append(rows, r)
	}
	return rows
}

// ability is one that is tried.
type ability struct {
	Row
	try func() error
	// onStore is tried in a directory of the store.
	onStore func(dir string) error
	// less makes the row only partly missing.
	less bool
}

func abilities() []ability {
	return []ability{
		{Row: row(hint.ProcessNamespaces), try: func() error {
			return unshare(unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWPID | unix.CLONE_NEWNS)
		}},
		{Row: row(hint.Proc), less: true, try: func() error { return mountNew("proc") }},
		{Row: row(hint.Sys), less: true, try: func() error {
			if err := unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			return mountNew("sysfs")
		}},
		{Row: row(hint.Terminals), try: func() error { return mountNew("devpts") }},
		{Row: row(hint.MessageQueues), try: func() error {
			if err := unshare(unix.CLONE_NEWIPC); err != nil {
				return err
			}
			return mountNew("mqueue")
		}},
		{Row: row(hint.HostName), less: true, try: func() error {
			if err := unshare(unix.CLONE_NEWUTS); err != nil {
				return err
			}
			return os.NewSyscallError("sethostname", unix.Sethostname([]byte("doctor")))
		}},
		{Row: row(hint.CgroupNamespace), try: func() error { return unshare(unix.CLONE_NEWCGROUP) }},
		{Row: row(hint.Overlay), less: true, onStore: tryOverlay},
		{Row: row(hint.UserAttributes), onStore: func(dir string) error {
			return os.NewSyscallError("setxattr", unix.Setxattr(dir, "user.coracle.doctor", []byte("y"), 0))
		}},
		{Row: row(hint.Owners), onStore: tryOwner},
		{Row: row(hint.Reflinks), less: true, onStore: tryReflink},
		{Row: row(hint.NetworkNamespace), try: func() error { return unshare(unix.CLONE_NEWNET) }},
		{Row: row(hint.Veth), less: true, try: tryVeth},
		{Row: row(hint.StoreSockets), less: true, onStore: trySocket},
		{Row: row(hint.TCPRepair), less: true, try: tryRepair},
		{Row: row(hint.Seccomp), try: func() error { return seccompAction(unix.SECCOMP_RET_ERRNO) }},
		{Row: row(hint.SeccompNotification), less: true, try: func() error { return seccompAction(unix.SECCOMP_RET_USER_NOTIF) }},
		{Row: row(hint.AbstractSockets), less: true, try: child.CheckScopes},
	}
}

// row tries an ability, on a thread that ends with it: what was unshared is gone.
func (a ability) row(ctx context.Context, d state.Dirs, withStore bool) Row {
	if a.onStore != nil && !withStore {
		r := a.Row
		r.State, r.Found, r.Remedy = Unknown, "there is no store", ""
		return r
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if a.onStore != nil {
			done <- onScratch(ctx, d, a.onStore)
			return
		}
		done <- ns.ExplainNamespace(a.try())
	}()
	err := <-done
	if err == nil {
		return a.present("")
	}
	r := a.absent(err)
	var untried *noScratch
	if errors.As(err, &untried) {
		r.State, r.Remedy = Unknown, ""
		return r
	}
	if a.less {
		r.State = Partly
	}
	return r
}

// onScratch calls f with a directory of the store that is gone afterwards.
func onScratch(ctx context.Context, d state.Dirs, f func(dir string) error) error {
	lock, err := d.Tmp().Stage(ctx)
	if err != nil {
		return &noScratch{err}
	}
	defer lock.Release()
	dir, err := d.Tmp().NewVolume()
	if err != nil {
		return &noScratch{err}
	}
	err = f(string(dir))
	trash, gone := d.Tmp().Discard(string(dir))
	if gone == nil {
		gone = state.RemoveTree(trash)
	}
	return errors.Join(err, gone)
}

// noScratch is a store in which nothing can be tried.
type noScratch struct{ err error }

func (e *noScratch) Error() string { return "the store takes nothing: " + e.err.Error() }
func (e *noScratch) Unwrap() error { return e.err }

func unshare(flags int) error { return os.NewSyscallError("unshare", unix.Unshare(flags)) }

// mountNew makes a file system that is attached nowhere, with options.
func mountNew(fstype string, options ...[2]string) error {
	fd, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("fsopen", err)
	}
	defer unix.Close(fd)
	for _, o := range options {
		if o[1] == "" {
			err = unix.FsconfigSetFlag(fd, o[0])
		} else {
			err = unix.FsconfigSetString(fd, o[0], o[1])
		}
		if err != nil {
			return fmt.Errorf("option %s: %w", o[0], err)
		}
	}
	if err := unix.FsconfigCreate(fd); err != nil {
		return os.NewSyscallError("fsconfig", err)
	}
	mnt, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("fsmount", err)
	}
	return unix.Close(mnt)
}

// tryOverlay mounts an overlay of directories in dir.
func tryOverlay(dir string) error {
	if err := unshare(unix.CLONE_NEWNS); err != nil { // with a working directory of its own
		return err
	}
	if err := unix.Chdir(dir); err != nil { // names in options have no separators then
		return &os.PathError{Op: "chdir", Path: dir, Err: err}
	}
	for _, name := range []string{"l", "u", "w"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return err
		}
	}
	err := mountNew("overlay", [2]string{"lowerdir", "l"}, [2]string{"upperdir", "u"}, [2]string{"workdir", "w"}, [2]string{"userxattr"})
	_ = os.Chmod(filepath.Join(dir, "w", "work"), 0o700) // overlayfs leaves it without any permission
	return err
}

// tryOwner gives a directory to somebody else, where there is anybody.
func tryOwner(dir string) error {
	if m, err := ids.Current(); err != nil || m.Single() {
		return err
	}
	if err := os.Lchown(dir, 1, 1); err != nil {
		return err
	}
	return os.Lchown(dir, 0, 0)
}

func tryReflink(dir string) error {
	from, err := os.Create(filepath.Join(dir, "from"))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(filepath.Join(dir, "to"))
	if err != nil {
		return err
	}
	defer to.Close()
	if _, err := from.WriteString("x"); err != nil {
		return err
	}
	return os.NewSyscallError("ioctl FICLONE", unix.IoctlFileClone(int(to.Fd()), int(from.Fd())))
}

func tryVeth() error {
	if err := unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	a := netlink.NewLinkAttrs()
	a.Name = "doctor0"
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: a, PeerName: "doctor1"}); err != nil {
		return fmt.Errorf("create veth pair: %w", err)
	}
	return nil
}

func tryRepair() error {
	if err := unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	return os.NewSyscallError("setsockopt TCP_REPAIR", unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR, 1))
}

// seccompAction asks whether filters may have an action (seccomp(2)).
func seccompAction(action uint32) error {
	_, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	if e != 0 {
		return os.NewSyscallError("seccomp", e)
	}
	return nil
}

// account is the name of the caller, or the number of one without.
func account() string {
	uid := strconv.Itoa(os.Getuid())
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return uid
}

// trySocket makes a socket as the members of a network do.
func trySocket(dir string) error {
	d, err := socket.OpenDir(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket.At(d, "socket"), Net: "unixgram"})
	if err != nil {
		return err
	}
	return c.Close()
}
