// SPDX-License-Identifier: Apache-2.0

package child

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/container/transfer"
	"coracle/pkg/hint"
	"coracle/pkg/inroot"
	"coracle/pkg/mount"
	"coracle/pkg/ns"
)

// initSteps build the container's world.
func (s *setup) initSteps() []step {
	steps := []step{
		{"become root", s.becomeRoot},
		{"make cgroup namespace", s.newCgroupNS},
		{"set host name", s.setHostname},
		{"make mounts private", s.makePrivate},
	}
	if s.Reap {
		steps = append(steps, step{"open own program", s.openSelf})
	}
	if s.NewNetNS {
		steps = append(steps, step{"bring loopback up", loopbackUp})
	}
	if len(s.Spec.Linux.MaskedPaths) > 0 {
		steps = append(steps, step{"open null device", s.openNull})
	}
	r := &rootfs{path: s.Spec.Root.Path, trees: s.Trees, single: &s.Single, linux: &s.Spec.Linux}
	steps = append(steps, step{"open root file system", r.open})
	if s.BindRoot {
		steps = append(steps, step{"mount root file system", r.bindRoot})
	}
	for _, m := range s.Spec.Mounts {
		steps = append(steps, step{"mount " + m.Destination, func() error { return r.mount(m) }})
	}
	return append(steps,
		step{"add devices", r.devices},
		step{"create working directory", func() error { return r.makeCwd(s.Spec.Process.Cwd) }},
		step{"run hooks", s.pause},
		step{"pivot root", r.pivot},
		step{"open terminal", s.openTerminal},
		step{"write sysctls", s.writeSysctls},
		step{"protect paths", s.protectPaths},
		step{"set propagation", s.propagate},
	)
}

// newCgroupNS makes the cgroup namespace, unless one was joined.
func (s *setup) newCgroupNS() error {
	for _, n := range s.Spec.Linux.Namespaces {
		if n.Type == specs.CgroupNamespace && n.Path == "" {
			err := os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_NEWCGROUP))
			if errors.Is(err, unix.ENOSPC) {
				err = hint.About(hint.CgroupNamespace, err, "the host allows no more cgroup namespaces; the administrator can: sysctl user.max_cgroup_namespaces=15000; until then: --cgroupns host")
			}
			return err
		}
	}
	return nil
}

func (s *setup) setHostname() error {
	if !hasNamespace(&s.Spec.Linux, specs.UTSNamespace) {
		return nil
	}
	if s.Spec.Domainname != "" {
		if err := unix.Setdomainname([]byte(s.Spec.Domainname)); err != nil {
			return err
		}
	}
	if s.Spec.Hostname == "" {
		return nil
	}
	err := unix.Sethostname([]byte(s.Spec.Hostname))
	if errors.Is(err, unix.EPERM) && ns.Filtered() {
		// The profile of a container around asks for CAP_SYS_ADMIN there, not here;
		// all that is lost is the name that uname(2) says.
		return nil
	}
	return err
}

func hasNamespace(l *ns.Linux, t specs.LinuxNamespaceType) bool {
	for _, n := range l.Namespaces {
		if n.Type == t {
			return true
		}
	}
	return false
}

// rootfs is the new root while it is built.
type rootfs struct {
	path   string
	trees  map[string]int // by destination: descriptors of detached mounts
	single *bool          // known when the first step is done
	linux  *ns.Linux
	dir    *os.File // O_PATH
}

func (r *rootfs) open() error {
	var err error
	r.dir, err = inroot.OpenRoot(r.path)
	return err
}

// resolve opens what target names inside the root; no link, no ".." and no
// mount leads out of it.
func (r *rootfs) resolve(target string, flags int) (*os.File, error) {
	return inroot.Root(r.dir).Open(target, flags, 0)
}

// mkdirAll resolves a directory inside the root and makes what is missing of
// it, 0755 and owned by root.
func (r *rootfs) mkdirAll(target string) (*os.File, error) {
	return inroot.Root(r.dir).MkdirAll(target)
}

// mkfile resolves a file inside the root, or makes an empty one.
func (r *rootfs) mkfile(target string) (*os.File, error) { return inroot.Root(r.dir).MakeFile(target) }

// makeCwd makes the working directory of the process when the image has none.
func (r *rootfs) makeCwd(cwd string) error {
	if !path.IsAbs(cwd) {
		return fmt.Errorf("%q is not absolute", cwd)
	}
	d, err := r.mkdirAll(path.Clean(cwd))
	if errors.Is(err, unix.EROFS) || errors.Is(err, unix.ENOTDIR) {
		return nil // the chdir will say what is wrong
	}
	if err != nil {
		return err
	}
	return d.Close()
}

// mount does one mount of the spec.
func (r *rootfs) mount(m specs.Mount) error {
	target := path.Clean("/" + m.Destination)
	switch m.Type {
	case "bind", "none", "":
		return r.bind(m, target)
	case "proc", "sysfs":
		return r.kernelFS(m, target)
	case "cgroup", "cgroup2":
		return r.cgroup(m, target)
	}
	dir, err := r.mkdirAll(target)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := checkTarget(dir, target, m.Source); err != nil {
		return err
	}
	if err := r.newMount(m.Type, m.Source, m.Options, dir); err != nil {
		return err
	}
	if m.Type == "tmpfs" && target == "/dev" {
		return r.populateDev()
	}
	return nil
}

// kernelFS mounts proc or sysfs, but only on a plain directory of the image:
// one that is a link would put it elsewhere and leave the masks behind
// (CVE-2023-28642).
func (r *rootfs) kernelFS(m specs.Mount, target string) error {
	dir, err := r.mkdirAll(target)
	if err != nil {
		return err
	}
	dir.Close()
	dir, err = inroot.Root(r.dir).NoLinks().Open(target, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("the image's %s is not a directory: %w", target, cause(err))
	}
	defer dir.Close()
	err = r.newMount(m.Type, m.Source, m.Options, dir)
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	// What is there already is shown instead, with all that covers parts of it.
	// sysfs is refused where the network namespace is the host's, and both are
	// where the host's own is partly covered (mount_namespaces(7)), as inside
	// another container.
	if m.Type == "sysfs" {
		return bindKernelFS("/sys", unix.SYSFS_MAGIC, []string{"rbind", "ro", "nosuid", "nodev", "noexec"}, dir)
	}
	// The processes around have other numbers there than in this pid namespace, and
	// are out of its reach: what needs more than to read asks for a capability in
	// their user namespace (ptrace(2)).
	if berr := bindKernelFS("/proc", unix.PROC_SUPER_MAGIC, []string{"rbind", "nosuid", "nodev", "noexec"}, dir); berr != nil {
		return &coveredError{errors.Join(err, berr)}
	}
	return nil
}

// bindKernelFS attaches the host's own mount of a file system of the kernel.
func bindKernelFS(path string, magic int64, options []string, dir *os.File) error {
	tree, err := mount.ClonePath(path, true)
	if err != nil {
		return err
	}
	defer tree.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(tree.Fd()), &st); err != nil || int64(st.Type) != magic {
		return fmt.Errorf("%s is something else", path)
	}
	return attachTree(tree, options, dir)
}

// cgroup shows the container's part of the cgroup2 tree; on a host without a
// cgroup2 tree that may be shown, an empty read-only directory.
func (r *rootfs) cgroup(m specs.Mount, target string) error {
	dir, err := r.mkdirAll(target)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return nil // a kernel without cgroups has no such directory in /sys
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := r.newMount("cgroup2", m.Source, m.Options, dir); err == nil {
		return nil
	}
	return r.newMount("tmpfs", "tmpfs", []string{"ro", "nosuid", "nodev", "noexec", "mode=755", "size=0"}, dir)
}

// newMount makes a file system and attaches it to dir. Its source is only what
// mount tables show.
func (r *rootfs) newMount(fstype, source string, options []string, dir *os.File) error {
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("fsopen "+fstype, err)
	}
	defer unix.Close(fs)
	if source == "" {
		source = fstype
	}
	if err := unix.FsconfigSetString(fs, "source", source); err != nil {
		return os.NewSyscallError("fsconfig source", err)
	}
	var attrs uint64
	copied := false
	for _, o := range options {
		if o == "tmpcopyup" {
			copied = true
			continue
		}
		if a, ok := mount.Attribute(o); ok {
			attrs |= a
			continue
		}
		if _, ok := mount.Propagation(o); ok {
			continue // a new mount is private
		}
		if err := r.configure(fs, o); err != nil {
			return fmt.Errorf("option %q: %w", o, err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return os.NewSyscallError("fsconfig", err)
	}
	mnt, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, int(attrs))
	if err != nil {
		return os.NewSyscallError("fsmount", err)
	}
	made := os.NewFile(uintptr(mnt), fstype)
	defer made.Close()
	if copied {
		// Nothing runs in the container yet; what cannot be made without root is
		// left out.
		if _, err := transfer.Copy(made, dir); err != nil {
			return fmt.Errorf("tmpcopyup: %w", err)
		}
	}
	return moveTo(mnt, dir)
}

// configure sets one option of a file system. An id that is not mapped, as
// gid=5 is with a single id, is left out.
func (r *rootfs) configure(fs int, option string) error {
	key, val, has := strings.Cut(option, "=")
	if !has {
		return unix.FsconfigSetFlag(fs, key)
	}
	if (key == "gid" || key == "uid") && *r.single && val != "0" {
		return nil
	}
	return unix.FsconfigSetString(fs, key, val)
}

func moveTo(mnt int, target *os.File) error {
	err := unix.MoveMount(mnt, "", int(target.Fd()), "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	return os.NewSyscallError("move_mount", err)
}

// pivot makes the new root the root and lets the old one go, without a
// directory for it: pivot_root(".", ".") stacks the two, see pivot_root(2).
func (r *rootfs) pivot() error {
	// The descriptor was opened before the mounts were made, but the root
	// mount itself is the same.
	if err := unix.Fchdir(int(r.dir.Fd())); err != nil {
		return os.NewSyscallError("fchdir", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return &os.PathError{Op: "pivot_root", Path: r.path, Err: err}
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return os.NewSyscallError("umount", err)
	}
	r.dir.Close()
	return unix.Chdir("/")
}

// coveredError is a /proc that the kernel does not mount again in full, for parts
// of it are hidden from this process (mount_namespaces(7)).
type coveredError struct{ err error }

func (e *coveredError) Error() string {
	return "the host's /proc is partly covered, as inside another container: " + e.err.Error()
}
func (e *coveredError) Unwrap() error { return e.err }

// Hint is what uncovers it.
func (e *coveredError) Hint() string {
	return hint.Proc.After("the container around it needs: --security-opt systempaths=unconfined")
}
