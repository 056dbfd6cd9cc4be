// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
	"coracle/pkg/trace"
)

func createCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "Create a new container", ArgsUsage: "IMAGE [COMMAND] [ARG...]",
		Flags: slices.Concat(createFlags(), createLimitFlags(), healthFlags()),
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, -1); err != nil {
				return err
			}
			ctr, err := create(e, c, container.NewID())
			if err != nil {
				return createError(e, "create", err)
			}
			cs, err := e.containers()
			if err == nil {
				err = fillVolumes(c.Context, e, cs, ctr)
			}
			if err != nil {
				return createError(e, "create", err)
			}
			fmt.Fprintln(e.stdout, ctr.ID)
			return nil
		},
	}
}

// createError keeps a code that was decided already.
func createError(e *env, cmd string, err error) error {
	var code *exitError
	if errors.As(err, &code) {
		if code.err != nil {
			fmt.Fprintf(e.stderr, "%s: %s\n\nRun '%s %s --help' for more information\n", e.program, message(e, code.err), e.program, cmd)
		}
		return exit(code.code)
	}
	return runError(e, cmd, err)
}

// abandon removes a container that run has made and that did not start: a
// corrected command line may have the same name. Why it did not start is the
// error to tell of.
func abandon(ctx context.Context, e *env, cs *container.Store, ctr *container.Container) {
	now, err := cs.Load(ctr.ID)
	if err == nil && now.State.Status == container.Created {
		_ = cs.Remove(ctx, now)
		_ = cs.RemoveAnonymousVolumes(now)
	}
}

// create makes a container, and the file that was asked for with its ID.
func create(e *env, c *cli.Context, id string) (*container.Container, error) {
	cid, err := openIDFile(c.String("cidfile"))
	if err != nil {
		return nil, err
	}
	defer cid.close()
	ctr, err := createRecord(e, c, id)
	if err != nil {
		return nil, err
	}
	if err := cid.write(id, fileMode(e)); err != nil {
		if cs, cerr := e.containers(); cerr == nil {
			abandon(c.Context, e, cs, ctr)
		}
		return nil, err
	}
	return ctr, nil
}

// createRecord resolves the image, pulling it when it is missing, and makes the
// container. The image lock is held from the moment the image is found until
// the record is in place, so that nobody removes the image in between.
func createRecord(e *env, c *cli.Context, id string) (*container.Container, error) {
	d, err := e.open()
	if err != nil {
		return nil, err
	}
	if cs, err := e.containers(); err == nil {
		cs.ReclaimName(strings.TrimPrefix(c.String("name"), "/"))
	}
	lock, det, err := resolveForRun(c.Context, e, d, c.Args().First(), c.String("platform"), c.String("pull"), c.Bool("quiet"))
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	trace.Mark("found the image")
	r, err := record(e, c, id, det, c.Args().Tail())
	if err != nil {
		return nil, err
	}
	cs, err := e.containers()
	if err != nil {
		return nil, err
	}
	if err := createWithVolumes(c.Context, cs, r); err != nil {
		return nil, err
	}
	warnLimits(e, c, r.Limits.Cgroup)
	return cs.Load(r.ID)
}

// createWithVolumes makes the container and the volumes that it asks for, which
// nobody removes in between; or none of them.
func createWithVolumes(ctx context.Context, cs *container.Store, r *container.Record) error {
	if !slices.ContainsFunc(r.Mounts, func(m container.Mount) bool { return m.Type == container.MountVolume }) {
		return cs.Create(ctx, r)
	}
	lock, err := cs.HoldVolumes(ctx)
	if err != nil {
		return err
	}
	undo, err := makeVolumes(cs, r)
	if err == nil {
		err = cs.Create(ctx, r)
	}
	lock.Release()
	if err != nil {
		undo()
	}
	return err
}

// fillVolumes gives the new volumes of a container that is not started yet
// what the image has for them.
func fillVolumes(ctx context.Context, e *env, cs *container.Store, ctr *container.Container) error {
	if !cs.NeedsFill(ctr) {
		return nil
	}
	if err := e.enter(e.stderr, "__fill", ctr.ID); err != nil {
		_ = cs.Remove(ctx, ctr)
		_ = cs.RemoveAnonymousVolumes(ctr)
		_ = sweepTrash(e, cs)
		return saidInside(err)
	}
	return nil
}

// fillInside is fillVolumes inside the user namespace.
func fillInside(ctx context.Context, e *env, id string) error {
	cs, ctr, err := e.container(id)
	if err != nil {
		return err
	}
	return cs.FillVolumes(ctx, ctr)
}
