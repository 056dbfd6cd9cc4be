// SPDX-License-Identifier: Apache-2.0

package client

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/state"
	"coracle/pkg/trace"
	"coracle/pkg/wire"
)

// Start is what goes along with the start of a container. Its files stay the
// caller's.
type Start struct {
	// Supervisor was spawned for the container, and is used up; nil for a new one.
	Supervisor *Supervisor
	// Attach, if not nil, attaches the session. Out are the descriptors that it names.
	Attach *control.Attach
	Out    []*os.File
	// Sockets serve published ports, in place of those that are made for them: of a
	// service manager, see [HandedOver].
	Sockets []*os.File
	// Copies, if not nil, is called before layers are copied for --userns keep-id,
	// which is once for an image.
	Copies func()
}

// Launch asks the supervisor of a container to start the first process. It
// returns once that runs; the error is a *control.StartError, with the
// supervisor's words when it could say why it does not. The container's state says so,
// too; one with --rm is removed.
func Launch(ctx context.Context, s *container.Store, c *container.Container, how Start) (*Session, error) {
	ses, told, err := launch(ctx, s, c, how)
	switch {
	case err == nil || ctx.Err() != nil:
	case c.Life.AutoRemove:
		removeUnstarted(ctx, s, c)
	case !told:
		notStarted(s, c, err)
	}
	return ses, err
}

// removeUnstarted removes a container with --rm unless somebody else has started it. Its
// supervisor may have begun, and is waited for.
func removeUnstarted(ctx context.Context, s *container.Store, c *container.Container) {
	const look = 50 * time.Millisecond
	for end := time.Now().Add(answerMargin); time.Now().Before(end); {
		if now, err := s.Load(c.ID); err != nil || now.State.IsRunning() {
			return
		}
		short, cancel := context.WithTimeout(ctx, look)
		err := Remove(short, s, &container.Container{Record: c.Record}, false, true)
		cancel()
		if !errors.Is(err, state.ErrLocked) {
			return
		}
	}
}

// notStarted writes down of a container what its supervisor would have, had it come
// that far.
func notStarted(s *container.Store, c *container.Container, err error) {
	lock, lerr := state.TryAcquire(s.Dirs().Container(c.ID).Lock(), state.Exclusive)
	if lerr != nil {
		return // it is gone, or somebody else runs it
	}
	defer lock.Release()
	if now, lerr := s.Load(c.ID); lerr == nil && !now.State.IsRunning() {
		_ = s.WriteState(c.ID, now.State.NotStarted(125, err.Error()), false)
	}
}

// launch is Launch; told says that the error is the supervisor's, who has written it down.
func launch(ctx context.Context, s *container.Store, c *container.Container, how Start) (ses *Session, told bool, err error) {
	state.MustHoldNone("ask a supervisor to start a container")
	if how.Copies == nil {
		how.Copies = func() {}
	}
	if err := c.KeepLayers(ctx, s.Dirs(), how.Copies); err != nil {
		how.Supervisor.Close()
		return nil, false, control.NewStartError(125, err)
	}
	v := how.Supervisor
	var around *surroundings
	if v == nil {
		if v, around, err = spawnFor(ctx, s, c); err != nil {
			return nil, false, control.NewStartError(125, err)
		}
	}
	defer around.close()
	conn, tree, err := v.claim(ctx, c)
	if err != nil {
		return nil, false, control.NewStartError(125, err)
	}
	if err := serveBeside(s, c, v.pid); err != nil {
		conn.Close()
		return nil, false, control.NewStartError(125, err)
	}
	reserved, err := reservedPorts(c, how.Sockets)
	if err != nil {
		conn.Close()
		return nil, false, control.NewStartError(125, err)
	}
	defer wire.CloseFiles(reserved)
	req := control.Request{Op: control.OpStart, Attach: how.Attach, Maps: &v.maps, Cgroup: tree, Listen: len(how.Sockets) + len(reserved)}
	files := slices.Concat(how.Out, how.Sockets, reserved)
	if around != nil {
		req.Shared = around.shared
		if around.net != nil {
			files = append(files, around.net)
		}
	}
	ses = &Session{conn: conn, Tty: c.Process.Tty, s: s, c: c}
	if err := ses.begin(req, files); err != nil {
		ses.Close()
		var refused *control.StartError
		if errors.As(err, &refused) {
			return nil, true, err
		}
		return nil, false, control.NewStartError(125, err)
	}
	return ses, false, nil
}

// claim waits for a supervisor that was spawned, and finds the cgroup below which
// the container's is to be made. After an error the supervisor ends.
func (v *Supervisor) claim(ctx context.Context, c *container.Container) (*conn, string, error) {
	<-v.ready // newuidmap would be in the way of a cpuset
	tree, err := "", cmp.Or(v.err, ctx.Err())
	if err == nil {
		tree, err = delegated(c)
	}
	if err == nil && tree == "" {
		tree, err = askScope(ctx, c, v.pid)
	}
	if err != nil {
		v.Close()
		return nil, "", err
	}
	return newConn(ctx, v.conn, peer{c.ID, v.pid}), tree, nil
}

// delegated returns the cgroup below which the container's is to be made, ready
// for that, or "" when none is delegated. It is for the command to do: the
// supervisor cannot move processes outside of its pid namespace.
func delegated(c *container.Container) (string, error) {
	tree, err := cgroup.Find()
	if err == nil {
		err = tree.Prepare(c.Limits.Cgroup.Controllers())
	}
	switch {
	case err == nil:
		return tree.Dir(), nil
	case errors.Is(err, cgroup.ErrNotDelegated) || len(c.Limits.Cgroup.Controllers()) == 0:
		return "", nil
	}
	return "", err
}

// afterStop is what a supervisor has for itself when its container has ended.
const afterStop = 10 * time.Second

// stopTime is how long a container and its supervisor may take to end when the host
// goes down, below zero for ever.
func stopTime(c *container.Container) time.Duration {
	seconds := c.Life.StopSeconds()
	if seconds < 0 {
		return -1
	}
	return time.Duration(seconds)*time.Second + afterStop
}

// askScope asks the user's systemd for a cgroup around the supervisor when
// limits need one, and returns its directory, or "" when there is none.
func askScope(ctx context.Context, c *container.Container, pid int) (string, error) {
	if len(c.Limits.Cgroup.Controllers()) == 0 {
		return "", nil
	}
	dir, err := cgroup.Scope(ctx, c.ID, pid, c.Limits.CgroupParent, stopTime(c))
	if errors.Is(err, cgroup.ErrNotDelegated) {
		return "", nil // the command has warned
	}
	trace.Mark("asked systemd for a scope")
	return dir, err
}
