// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/container"
	"coracle/pkg/container/create"
	"coracle/pkg/docker"
	"coracle/pkg/image"
	"coracle/pkg/ns"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// Create is the command create: create a new container.
func Create(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "Create a new container", ArgsUsage: "IMAGE [COMMAND] [ARG...]",
		Flags: slices.Concat(createFlags(), createLimitFlags(), healthFlags()),
		Action: command.Takes(e, 1, -1, func(e *command.Env, c *cli.Context) error {
			ctr, err := createWithFile(e, c, state.NewID(), service{})
			if err != nil {
				return createError(e, "create", err)
			}
			cs, err := e.Containers()
			if err == nil {
				filling, stop := command.UntilSignal(c.Context)
				err = create.Fill(filling, cs, ctr)
				stop()
			}
			if err != nil {
				return createError(e, "create", err)
			}
			fmt.Fprintln(e.Stdout, ctr.ID)
			return nil
		}),
	}
}

// createError keeps a code that was decided already.
func createError(e *command.Env, cmd string, err error) error {
	var code *command.ExitError
	if errors.As(err, &code) {
		if code.Err != nil {
			fmt.Fprintf(e.Stderr, "%s: %s\n\nRun '%s %s --help' for more information\n", e.Program, command.Message(e, code.Err), e.Program, cmd)
		}
		return command.Exit(code.Code)
	}
	return command.RunError(e, cmd, err)
}

// abandon removes a container that was made in vain, for its ID could not be told.
func abandon(ctx context.Context, e *command.Env, cs *container.Store, ctr *container.Container) {
	now, err := cs.Load(ctr.ID)
	if err == nil && now.State.Status == container.Created {
		_ = cs.Remove(ctx, now)
		_ = container.Volumes(cs.Dirs()).RemoveAnonymous(ctx, now.VolumeNames())
	}
}

// createWithFile makes a container, and the file that was asked for with its ID.
func createWithFile(e *command.Env, c *cli.Context, id string, m service) (*container.Container, error) {
	cid, err := openIDFile(c.String("cidfile"))
	if err != nil {
		return nil, err
	}
	defer cid.close()
	ctr, err := createAsked(e, c, id, m)
	if err != nil {
		return nil, err
	}
	if err := cid.write(id, command.FileMode(e)); err != nil {
		if cs, cerr := e.Containers(); cerr == nil {
			abandon(c.Context, e, cs, ctr)
		}
		return nil, err
	}
	TellOfBoot(e, ctr)
	return ctr, nil
}

// createAsked makes the container that the flags ask for, of an image that is
// pulled when it is missing.
func createAsked(e *command.Env, c *cli.Context, id string, m service) (*container.Container, error) {
	d, err := e.Open()
	if err != nil {
		return nil, err
	}
	q, err := CreateRequest(e, c)
	if err != nil {
		return nil, err
	}
	m.show(&q)
	credentials, err := askCredentials(e, c, &q)
	if err != nil {
		return nil, err
	}
	cs := container.NewStore(d)
	ctr, err := create.Create(c.Context, cs, id, q, create.Images{
		Resolve: func(ctx context.Context, check func() error) (*state.Lock, overlay.Details, error) {
			return resolveForRun(ctx, e, d, image.HoldRequest{
				Name: q.Image, Platform: q.Platform, Pull: image.Policy(c.String("pull")), Quiet: c.Bool("quiet"), BeforePull: runnable(c.Command.Name == "run", check), Own: create.NeedsOwnLayers(q),
			})
		},
		Find: func(ref string) (overlay.Details, error) {
			img, _, err := e.Image(ref)
			if err != nil {
				return overlay.Details{}, err
			}
			return e.Details(img.ID)
		},
	}, func(list []docker.Warning) { command.WarnAll(e, list) })
	if err == nil && credentials != nil {
		if herr := handCredentials(c.Context, cs, ctr, credentials); herr != nil {
			command.WarnAll(e, []docker.Warning{{Text: "injecting docker config.json into container failed: " + herr.Error()}})
		}
	}
	return ctr, err
}

// runnable is check, and for a container that is to run at once that it can: without
// user namespaces nothing is pulled for it.
func runnable(run bool, check func() error) func() error {
	return func() error {
		if err := check(); err != nil || !run {
			return err
		}
		return ns.TryUserNamespace()
	}
}

// copies says once that layers are copied, which is not seen otherwise.
func copies(e *command.Env) func() {
	return func() {
		fmt.Fprintln(e.Stderr, "copying the image's layers with the owners for --userns keep-id, once for this image")
	}
}
