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
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
	"coracle/pkg/trace"
)

func runCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "Create and run a new container from an image", ArgsUsage: "IMAGE [COMMAND] [ARG...]",
		Flags: append(slices.Concat(createFlags(), createLimitFlags(), healthFlags()),
			flag("detach", short("d"), "Run container in background and print container ID"),
			text("detach-keys", nil, "Override the key sequence for detaching a container"),
			&cli.BoolFlag{Name: "sig-proxy", Usage: "Proxy received signals to the process", Value: true}),
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, -1); err != nil {
				return err
			}
			return runRun(e, c)
		},
	}
}

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

func runRun(e *env, c *cli.Context) error {
	if c.Bool("tty") && c.Bool("interactive") && !c.Bool("detach") && !isTerminal(e.stdin) {
		fmt.Fprintln(e.stderr, "cannot attach stdin to a TTY-enabled container because stdin is not a terminal")
		return exit(1)
	}
	keys, err := detachKeys(e, c)
	if err != nil {
		return runError(e, "run", err)
	}
	cs, err := e.containers()
	if err != nil {
		return createError(e, "run", err)
	}
	id := container.NewID()
	var supervisor *container.Supervisor
	if !slices.ContainsFunc(c.StringSlice("network"), func(v string) bool { return strings.Contains(v, "container:") }) {
		supervisor = cs.Spawn(id) // while the image is found; else it is to be in another's user namespace
	}
	ctr, err := create(e, c, id)
	trace.Mark("created the container")
	if err != nil {
		supervisor.Close()
		return createError(e, "run", err)
	}
	if c.Bool("detach") {
		ses, err := cs.Launch(ctr, supervisor, nil, nil)
		if err != nil {
			abandon(c.Context, e, cs, ctr)
			return runError(e, "run", err)
		}
		ses.Close()
		fmt.Fprintln(e.stdout, ctr.ID)
		return nil
	}
	code, err := runAttached(e, cs, ctr, supervisor, keys, c.Bool("sig-proxy"), nil)
	var lost *container.OutputError
	switch {
	case errors.As(err, &lost):
		return lostOutput(125, err)
	case err != nil:
		abandon(c.Context, e, cs, ctr)
		return runError(e, "run", err)
	}
	return exit(code)
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

// otherPlatformError says that the image of a name is for another platform than
// was asked for: a registry may have the right one.
type otherPlatformError struct {
	error
	name string
}

func (e *otherPlatformError) Unwrap() error { return &oci.NotFoundError{Arg: oci.Familiar(e.name)} }

// lookupDetails finds the image that arg means, of the given platform where
// that is not empty.
func lookupDetails(d state.Dirs, arg, platform string) (overlay.Details, error) {
	ix, err := overlay.ReadIndex(d)
	if err != nil {
		return overlay.Details{}, err
	}
	img, name, err := oci.Lookup(ix, arg)
	if err != nil {
		return overlay.Details{}, err
	}
	if platform != "" {
		err = checkPlatforms(arg, []string{platform}, img)
	}
	if err != nil && name != "" {
		err = &otherPlatformError{err, name}
	}
	if err != nil {
		return overlay.Details{}, err
	}
	return overlay.LoadImage(d, img.ID)
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

// resolveForRun finds the image and returns with the image lock held.
func resolveForRun(ctx context.Context, e *env, d state.Dirs, arg, platform, pull string, quiet bool) (*state.Lock, overlay.Details, error) {
	var none overlay.Details
	switch pull {
	case "always", "missing", "never", "":
	default:
		return nil, none, cliErrorf("invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"", pull)
	}
	if _, err := oci.ParsePlatform(platform); err != nil {
		return nil, none, err
	}
	mended := false
	for tried := false; ; tried = true {
		if pull == "always" && !tried {
			if err := pullForRun(e, arg, platform, quiet); err != nil {
				return nil, none, err
			}
		}
		// The index may have to be made again, under the lock: before it is ours.
		if _, err := e.index(); err != nil {
			return nil, none, err
		}
		lock, err := state.Acquire(ctx, d.ImageLock(), state.Shared)
		if err != nil {
			return nil, none, err
		}
		det, err := lookupDetails(d, arg, platform)
		if err == nil {
			return lock, det, nil
		}
		lock.Release()
		var missing *oci.NotFoundError
		if !mended && !errors.As(err, &missing) {
			mended = true
			if img, _, lerr := e.image(arg); lerr == nil {
				if _, err = e.details(img.ID); err == nil {
					continue
				}
			}
		}
		if !errors.As(err, &missing) || tried || pull == "never" {
			return nil, none, err
		}
		if pull != "always" {
			if !quiet {
				fmt.Fprintf(e.stderr, "Unable to find image '%s' locally\n", missing.Arg)
			}
			if err := pullForRun(e, arg, platform, quiet); err != nil {
				return nil, none, err
			}
		}
	}
}
