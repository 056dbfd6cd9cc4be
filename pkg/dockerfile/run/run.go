// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/docker/go-units"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/box"
	"coracle/pkg/dockerfile/exec"
	"coracle/pkg/ids"
	"coracle/pkg/network"
	"coracle/pkg/oci/spec"
	"coracle/pkg/overlay"
)

// Runner runs commands, each in a box of its own. They end with this process,
// however it ends.
type Runner struct {
	Store   *overlay.Store // where the scratch space is
	Ulimits []units.Ulimit // of every command
}

// Run satisfies exec.Runner.
func (r *Runner) Run(ctx context.Context, s exec.Step) error {
	if len(s.Lowers) == 0 {
		return errors.New("there is nothing to run in an image from scratch: copy a program into it first")
	}
	scratch, err := r.Store.Scratch()
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
	net := box.Network{Mode: s.Network, Private: true, AddHosts: s.AddHosts}
	if s.Network == "" || s.Network == "default" {
		net.Endpoints = []network.Endpoint{{Network: network.Bridge}}
	}
	b, err := box.Open(box.Config{
		Rootfs:   overlay.Rootfs{Lowers: s.Lowers, Upper: s.Upper, Work: s.Work, Target: rootfs, Volatile: true},
		Hostname: "buildkitsandbox", Files: dir,
		Network: net,
	})
	defer unix.Unmount(rootfs, unix.MNT_DETACH)
	if err != nil {
		return err
	}
	defer b.Close()
	o, err := stepOptions(rootfs, s)
	if err != nil {
		return err
	}
	for _, u := range r.Ulimits {
		o.Rlimits = append(o.Rlimits, spec.Rlimit(u.Name, u.Soft, u.Hard))
	}
	stubs, err := newStubs(rootfs, o.Mounts)
	if err != nil {
		return err
	}
	defer stubs.close()
	if err := execute(ctx, b, o, s); err != nil {
		return err
	}
	return stubs.remove()
}

// stepOptions are what a command has of a container: its user, its directory,
// its environment and its mounts.
func stepOptions(rootfs string, s exec.Step) (spec.Options, error) {
	user, home, err := ids.ResolveUser(rootfs, s.User, nil)
	if err != nil {
		return spec.Options{}, err
	}
	if s.Maker != nil {
		*s.Maker = overlay.Maker{UID: int(user.UID), GID: int(user.GID)}
	}
	maps, err := ids.Current()
	if err != nil {
		return spec.Options{}, err
	}
	env := spec.DefaultEnv(nil, s.Env, []string{"HOME=" + home})
	o := spec.Options{Args: s.Args, Env: env, Cwd: s.Dir, User: user, ShmSize: s.ShmSize, Maps: maps}
	for _, m := range s.Mounts {
		o.Mounts = append(o.Mounts, stepMount(m))
	}
	return o, nil
}

func stepMount(m exec.StepMount) specs.Mount {
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
