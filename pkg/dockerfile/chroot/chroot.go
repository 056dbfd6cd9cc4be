// SPDX-License-Identifier: Apache-2.0

package chroot

import (
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"github.com/docker/go-units"
	"golang.org/x/sys/unix"

	"coracle/pkg/box"
	"coracle/pkg/dockerfile/exec"
	"coracle/pkg/hint"
	"coracle/pkg/ids"
	"coracle/pkg/inroot"
	"coracle/pkg/ns"
	"coracle/pkg/oci/spec"
	"coracle/pkg/overlay"
)

// Runner runs commands, one at a time.
//
// Preconditions: the process is root and may chroot ([ns.Confined]).
type Runner struct {
	Store   *overlay.Store // where the scratch space is
	Ulimits []units.Ulimit // of every command

	mu sync.Mutex
}

// Run satisfies exec.Runner.
func (r *Runner) Run(ctx context.Context, s exec.Step) (err error) {
	if len(s.Lowers) == 0 {
		return errors.New("there is nothing to run in an image from scratch: copy a program into it first")
	}
	if s.Network != "" && s.Network != "default" && s.Network != "host" {
		return hint.About(hint.UserNamespaces, fmt.Errorf("network %q: there are no network namespaces here", s.Network), "commands have the network of the container around: --network host")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	scratch, err := r.Store.Scratch()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(scratch, "run-")
	if err != nil {
		return fmt.Errorf("run command: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := mayExecute(dir); err != nil {
		return err
	}
	target := filepath.Join(dir, "rootfs")
	if err := os.Mkdir(target, 0o755); err != nil {
		return fmt.Errorf("run command: %w", err)
	}
	if err := overlay.MountRootfs(overlay.Rootfs{Lowers: s.Lowers, Upper: s.Upper, Work: s.Work, Target: target, Volatile: true}); err != nil {
		return err
	}
	tree, err := filepath.EvalSymlinks(target)
	if err != nil {
		return fmt.Errorf("run command: %w", err)
	}
	f, err := newFurniture(ctx, tree, filepath.Join(dir, "aside"), r.Store.Dirs().CacheMounts())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.clear()) }()
	if err := f.furnish(s); err != nil {
		return err
	}
	return r.execute(ctx, tree, s)
}

// mayExecute says of a mount on which no program may be executed that it is one: what
// a chroot shows is that mount still.
func mayExecute(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if st.Flags&unix.ST_NOEXEC == 0 {
		return nil
	}
	return hint.About(hint.Execution, errors.New("run command: the store is on a file system that is mounted noexec"),
		"mount it with exec (for the container around: --tmpfs DIR:exec), or use another directory: --root, or CORACLE_ROOT")
}

// execute starts the command and waits for the end of it, and of all that it has
// started.
func (r *Runner) execute(ctx context.Context, tree string, s exec.Step) error {
	user, home, err := ids.ResolveUser(tree, s.User, nil)
	if err != nil {
		return err
	}
	env := spec.DefaultEnv(nil, s.Env, []string{"HOME=" + home})
	program, err := lookUp(tree, s.Dir, s.Args[0], env)
	if err != nil {
		return failure(s.Args[0], err)
	}
	runtime.LockOSThread() // Pdeathsig watches this thread
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("run command: %w", os.NewSyscallError("prctl", err))
	}
	cmd := &osexec.Cmd{
		Path: program, Args: s.Args, Env: env, Dir: s.Dir, Stdout: s.Stdout, Stderr: s.Stderr,
		SysProcAttr: &syscall.SysProcAttr{
			Chroot: tree, Setsid: true, Pdeathsig: syscall.SIGKILL,
			Credential: &syscall.Credential{Uid: user.UID, Gid: user.GID, Groups: user.AdditionalGIDs},
		},
	}
	if err := cmd.Start(); err != nil {
		return failure(s.Args[0], err)
	}
	for _, u := range r.Ulimits {
		l := spec.Rlimit(u.Name, u.Soft, u.Hard)
		if err := limit(cmd.Process.Pid, l.Type, l.Soft, l.Hard); err != nil {
			return errors.Join(err, endAll())
		}
	}
	// Whoever holds the other end of a pipe may outlive the command: all of them
	// end with it, and only then is everything read.
	st, err := await(ctx, cmd.Process.Pid)
	if eerr := endAll(); err == nil {
		err = eerr
	}
	_ = cmd.Wait() // reads what is left; the process itself is reaped
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return exec.Ended(st)
}

// failure is a command that could not be executed, with the code that a shell
// would give.
func failure(name string, err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	e := &ns.ExecError{Message: fmt.Sprintf("exec: %q: %v", name, errno), Errno: errno}
	var missing *notFound
	if errors.As(err, &missing) {
		e.Message = missing.Error()
	}
	return fmt.Errorf("%w: %w", e, &exec.ExitError{Code: box.ExitCode(e)})
}

type notFound struct{ name string }

func (e *notFound) Error() string {
	return fmt.Sprintf("exec: %q: executable file not found in $PATH", e.name)
}
func (e *notFound) Unwrap() error { return unix.ENOENT }

// lookUp finds a program as execvp(3) does, inside the tree.
func lookUp(tree, cwd, name string, env []string) (string, error) {
	if filepath.Base(name) != name {
		return name, nil
	}
	top, err := inroot.OpenRoot(tree)
	if err != nil {
		return "", err
	}
	defer top.Close()
	for _, dir := range filepath.SplitList(pathOf(env)) {
		path := filepath.Join("/", cwd, dir, name)
		if filepath.IsAbs(dir) {
			path = filepath.Join(dir, name)
		}
		f, err := inroot.Root(top).Open(path, unix.O_PATH, 0)
		if err != nil {
			continue
		}
		info, err := f.Stat()
		f.Close()
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", &notFound{name}
}

func pathOf(env []string) string {
	const key = "PATH="
	for i := len(env) - 1; i >= 0; i-- {
		if len(env[i]) >= len(key) && env[i][:len(key)] == key {
			return env[i][len(key):]
		}
	}
	return ""
}
