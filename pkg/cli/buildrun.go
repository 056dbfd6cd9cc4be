// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	securejoin "github.com/cyphar/filepath-securejoin"
	"github.com/docker/go-units"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/container/sandbox"
	"coracle/pkg/dockerfile"
	"coracle/pkg/ns"
	"coracle/pkg/oci/spec"
	"coracle/pkg/overlay"
)

// buildRunner runs the commands of a build, each in a box of its own. They end
// with this process, however it ends.
type buildRunner struct {
	st      *overlay.Store
	ulimits []units.Ulimit
}

// Run satisfies dockerfile.Runner.
func (r *buildRunner) Run(ctx context.Context, s dockerfile.Step) error {
	if len(s.Lowers) == 0 {
		return errors.New("there is nothing to run in an image from scratch: copy a program into it first")
	}
	scratch, err := r.st.Scratch()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(scratch, "run-")
	if err != nil {
		return fmt.Errorf("run command: %w", err)
	}
	defer os.RemoveAll(dir)
	rootfs := filepath.Join(dir, "rootfs")
	if err := os.Mkdir(rootfs, 0o755); err != nil {
		return fmt.Errorf("run command: %w", err)
	}
	net := sandbox.Network{Mode: s.Network, AddHosts: s.AddHosts}
	if s.Network == "" || s.Network == "default" {
		net.Networks = []sandbox.Endpoint{{Network: sandbox.NetBridge}}
	}
	box, err := sandbox.Open(sandbox.Config{
		Rootfs:   overlay.Rootfs{Lowers: s.Lowers, Upper: s.Upper, Work: s.Work, Target: rootfs, Volatile: true},
		Hostname: "buildkitsandbox", Files: dir,
		Network: net,
	})
	defer unix.Unmount(rootfs, unix.MNT_DETACH)
	if err != nil {
		return err
	}
	defer box.Close()
	o, err := stepOptions(rootfs, s)
	if err != nil {
		return err
	}
	for _, u := range r.ulimits {
		o.Rlimits = append(o.Rlimits, spec.Rlimit(u.Name, u.Soft, u.Hard))
	}
	stubs, err := newStubs(rootfs, o.Mounts)
	if err != nil {
		return err
	}
	defer stubs.close()
	if err := runStep(ctx, box, o, s); err != nil {
		return err
	}
	return stubs.remove()
}

func stepOptions(rootfs string, s dockerfile.Step) (spec.Options, error) {
	user, home, err := spec.ResolveUser(rootfs, s.User, nil)
	if err != nil {
		return spec.Options{}, err
	}
	maps, err := ns.CurrentMaps()
	if err != nil {
		return spec.Options{}, err
	}
	env := s.Env
	if !hasVariable(env, "HOME") {
		env = append(env[:len(env):len(env)], "HOME="+home)
	}
	cwd := s.Dir
	if cwd == "" {
		cwd = "/"
	}
	o := spec.Options{Args: s.Args, Env: env, Cwd: cwd, User: user, ShmSize: s.ShmSize, Maps: maps}
	for _, m := range s.Mounts {
		o.Mounts = append(o.Mounts, stepMount(m))
	}
	return o, nil
}

func hasVariable(env []string, name string) bool {
	for _, kv := range env {
		if strings.HasPrefix(kv, name+"=") {
			return true
		}
	}
	return false
}

func stepMount(m dockerfile.StepMount) specs.Mount {
	if m.Type == "tmpfs" {
		sm := specs.Mount{Destination: m.Target, Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev"}}
		if m.ReadOnly {
			sm.Options = append(sm.Options, "ro")
		}
		if m.Size > 0 {
			sm.Options = append(sm.Options, fmt.Sprintf("size=%d", m.Size))
		}
		return sm
	}
	sm := specs.Mount{Destination: m.Target, Type: "bind", Source: m.Source, Options: []string{"rbind", "rprivate"}}
	if m.ReadOnly {
		sm.Options = append(sm.Options, "ro")
	}
	return sm
}

// runStep starts the command and waits for its end. When the context ends
// first, the command is killed.
func runStep(ctx context.Context, box *sandbox.Box, o spec.Options, s dockerfile.Step) error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	var pumps sync.WaitGroup
	out, err := pump(&pumps, s.Stdout)
	if err != nil {
		return err
	}
	errOut, err := pump(&pumps, s.Stderr)
	if err != nil {
		out.Close()
		return err
	}
	init, _, err := box.Start(o, nil, sandbox.Stdio{In: null, Out: out, Err: errOut})
	out.Close()
	errOut.Close()
	defer pumps.Wait()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = init.Process.Kill() })
	defer stop()
	if err := init.Exec(); err != nil {
		_ = init.Process.Kill()
		_, _ = init.Wait()
		return startFailure(o.Args, err)
	}
	status, err := init.Wait()
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case status.Signaled():
		return &dockerfile.ExitError{Code: 128 + int(status.Signal())}
	case status.ExitStatus() != 0:
		return &dockerfile.ExitError{Code: status.ExitStatus()}
	}
	return nil
}

// startFailure is a command that could not be run: the code a shell would give.
func startFailure(args []string, err error) error {
	var xe *ns.ExecError
	if !errors.As(err, &xe) {
		return err
	}
	code := 126
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		code = 127
	}
	return fmt.Errorf("%w: %w", err, &dockerfile.ExitError{Code: code})
}

// pump copies what is written to the returned file to w.
func pump(wg *sync.WaitGroup, w io.Writer) (*os.File, error) {
	r, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	wg.Go(func() {
		defer r.Close()
		_, _ = io.Copy(w, r)
	})
	return out, nil
}

// stubs are the files and directories that a box's mounts are put on, and that
// the layer must not keep.
type stubs struct {
	root  *os.Root
	paths []string // in root, the deepest of each mount first
}

func newStubs(rootfs string, mounts []specs.Mount) (*stubs, error) {
	root, err := os.OpenRoot(rootfs)
	if err != nil {
		return nil, err
	}
	s := &stubs{root: root}
	paths := []string{"/proc", "/dev", "/sys", "/etc/resolv.conf", "/etc/hosts", "/etc/hostname", "/etc"}
	for _, m := range mounts {
		for p := filepath.Clean(m.Destination); p != "/" && p != "."; p = filepath.Dir(p) {
			paths = append(paths, p)
		}
	}
	for _, p := range paths {
		full, err := securejoin.SecureJoin(rootfs, p)
		if err != nil {
			continue
		}
		rel, err := filepath.Rel(rootfs, full)
		if err != nil {
			continue
		}
		if _, err := root.Lstat(rel); errors.Is(err, fs.ErrNotExist) {
			s.paths = append(s.paths, rel)
		}
	}
	return s, nil
}

func (s *stubs) close() { s.root.Close() }

// remove takes away what is still empty. The command may have put links in the
// place of directories: nothing outside of the root is removed for that.
func (s *stubs) remove() error {
	for _, p := range s.paths {
		info, err := s.root.Lstat(p)
		if err != nil || !info.IsDir() && (!info.Mode().IsRegular() || info.Size() > 0) {
			continue
		}
		if err := s.root.Remove(p); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("remove mount point: %w", err)
		}
	}
	return nil
}
