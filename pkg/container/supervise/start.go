// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"context"
	"errors"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/box"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/ids"
	"coracle/pkg/oci/spec"
	"coracle/pkg/trace"
)

// start sets the first process up and leaves it right before its execve.
func (s *supervisor) start() error {
	mounts, err := s.mounts.prepare(s.box.Rootfs())
	if err != nil {
		return err
	}
	defer mounts.close()
	edits, err := injected(s.c.Safety, mounts)
	if err != nil {
		return err
	}
	beside, err := join(s.store, s.c)
	if err != nil {
		return err
	}
	defer beside.close()
	beside.mount(mounts)
	if u := s.c.Safety.Userns; u.Keep != nil {
		if err := ids.AddAccount(s.box.Rootfs(), *u.Keep, u.Name, s.c.Process.Cwd); err != nil {
			return err
		}
	}
	o, err := options(s.c, s.box.Rootfs(), s.maps, mounts.list)
	if err != nil {
		return err
	}
	edits.apply(&o)
	o.HostPID, o.HostIPC = o.HostPID || beside.hostPID, o.HostIPC || beside.hostIPC
	trace.Mark("read users and mounts")
	io, err := openStreams(s.c.Process, s.log)
	if err != nil {
		return err
	}
	init, sp, err := s.box.Start(o, s.bounds.otherwise, box.Stdio{In: io.childIn, Out: io.childOut, Err: io.childErr, Trees: mounts.trees, Mounted: s.hooks, PIDNS: beside.pid, IPCNS: beside.ipc})
	io.closeChildEnds()
	if err != nil {
		io.close()
		return beside.ended(err)
	}
	s.first.become(init, sp, io)
	s.lodgers = lodgersWith(s.c, init.HostPid)
	io.run(init.Console)
	return nil
}

// release lets the process run.
func (s *supervisor) release() error {
	if err := s.bounds.apply(); err != nil {
		return control.NewStartError(box.NotStarted, err)
	}
	init, _ := s.first.process()
	if err := init.Release(); err != nil {
		return control.NewStartError(box.ExitCode(err), err)
	}
	if err := s.begun(); err != nil {
		return control.NewStartError(box.NotStarted, err)
	}
	err := s.book.appear(func(st *container.State) {
		st.Status, st.Pid, st.StartedAt = container.Running, init.HostPid, time.Now().UTC()
		st.Error, st.ExitCode, st.OOMKilled, st.Health = "", 0, false, nil
		if s.c.Health.Enabled() {
			st.Health = &container.Health{Status: container.HealthStarting}
		}
	})
	if err != nil {
		return control.NewStartError(box.NotStarted, err)
	}
	s.book.event("start", nil)
	if s.c.Health.Enabled() {
		ctx, cancel := context.WithCancel(context.Background())
		s.endChecks = cancel
		go (&checks{book: s.book, how: s.c.Health.WithDefaults(), probe: s.sessions.probe}).run(ctx)
	}
	return nil
}

// options turns the record into what package spec needs. Users are those of rootfs.
func options(c *container.Container, rootfs string, m ids.Maps, mounts []specs.Mount) (spec.Options, error) {
	p, l, f := c.Process, c.Limits, c.Safety
	user, home, err := ids.ResolveUser(rootfs, p.User, p.GroupAdd)
	if err != nil {
		return spec.Options{}, err
	}
	args := p.Args()
	if len(args) == 0 {
		return spec.Options{}, errors.New("no command specified")
	}
	o := spec.Options{
		Args: args, Env: environment(p, home), Cwd: p.Cwd, User: user, Terminal: p.Tty,
		ReadOnlyRootfs: f.ReadOnlyRootfs, Privileged: f.Privileged, NoNewPrivs: f.NoNewPrivs,
		CapAdd: f.CapAdd, CapDrop: f.CapDrop, Mounts: mounts, ShmSize: l.ShmSize, Seccomp: f.Seccomp,
		HostPID: f.HostPID, HostIPC: f.HostIPC, HostUTS: f.HostUTS, HostCgroup: f.HostCgroup, NoShm: f.NoShm,
		UnmaskPaths: f.UnmaskPaths, Umask: p.Umask, Annotations: c.Annotations,
		Sysctl: l.Sysctls, OomScoreAdj: l.OomScoreAdj, Maps: m,
	}
	for _, u := range l.Ulimits {
		o.Rlimits = append(o.Rlimits, spec.Rlimit(u.Name, u.Soft, u.Hard))
	}
	return o, nil
}

// environment puts Docker's own variables around the ones asked for: they are
// only defaults.
func environment(p container.Process, home string) []string {
	before := []string{"PATH=" + spec.DefaultPath, "HOSTNAME=" + p.Hostname}
	if p.Tty {
		before = append(before, "TERM=xterm")
	}
	return spec.DefaultEnv(before, p.Env, []string{"HOME=" + home})
}
