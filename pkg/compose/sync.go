// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/compose/convert"
	"coracle/pkg/compose/develop"
	"coracle/pkg/container"
	"coracle/pkg/container/archive"
	"coracle/pkg/image"
)

// sync copies files into all containers of a service as cp does, and removes there
// what is here no more.
func (d *developer) sync(ctx context.Context, service string, list []develop.Change) error {
	has, err := d.Observe(d.p.Name)
	if err != nil {
		return err
	}
	here, gone := develop.Split(list)
	return each(ctx, has.Services[service], func(ctx context.Context, c *container.Container) error {
		if err := d.remove(ctx, c, gone); err != nil {
			return fmt.Errorf("deleting paths in %s: %w", c.Name, err)
		}
		if len(here) == 0 {
			return nil
		}
		err := d.copyInto(ctx, c, here, true)
		if overwrites(err) { // a link there leads to a directory
			err = d.copyInto(ctx, c, here, false)
		}
		if overwrites(err) && c.State.IsRunning() { // a file has become a directory, or a directory a file
			if err = d.giveWay(ctx, c, here); err == nil {
				err = d.copyInto(ctx, c, here, true)
			}
		}
		if err != nil {
			return fmt.Errorf("copying files to %s: %w", c.Name, err)
		}
		return nil
	})
}

// overwrites reports whether a copy has failed on something of another kind.
func overwrites(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "cannot overwrite") || errors.Is(err, syscall.ENOTDIR) || strings.HasSuffix(err.Error(), syscall.ENOTDIR.Error()))
}

// giveWay removes what is in the way of directories and of files: no directory that
// has something in it, which may be a volume.
func (d *developer) giveWay(ctx context.Context, c *container.Container, list []develop.Change) error {
	rm, rmdir := types.ShellCommand{"rm", "-f", "--"}, types.ShellCommand{"rmdir", "--"}
	for _, l := range list {
		if info, err := os.Lstat(l.Path); err == nil && info.IsDir() {
			rm = append(rm, l.Target)
		} else {
			rmdir = append(rmdir, l.Target)
		}
	}
	for _, command := range []types.ShellCommand{rm, rmdir} {
		for part := range slices.Chunk(command[2:], perCommand) {
			// Most are not in the way, and each of them is an error.
			if _, err := runHook(ctx, d.Engine, c, types.ServiceHook{Command: slices.Concat(command[:2], part), User: "0"}, &tail{}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *developer) copyInto(ctx context.Context, c *container.Container, list []develop.Change, filled bool) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() {
		err := develop.Write(w, list, filled)
		w.Close()
		written <- err
	}()
	_, err = archive.In(ctx, d.containers(), c, r, archive.InOptions{Path: "/"}, nil)
	r.Close()
	if wrote := <-written; err == nil {
		err = wrote
	}
	return err
}

// perCommand is how many paths one rm gets: a command line has an end.
const perCommand = 1000

// remove removes paths by the container's own rm, as docker compose does; where the
// container does not run they stay.
func (d *developer) remove(ctx context.Context, c *container.Container, gone []develop.Change) error {
	if !c.State.IsRunning() {
		return nil
	}
	for part := range slices.Chunk(gone, perCommand) {
		command := types.ShellCommand{"rm", "-rf", "--"}
		for _, g := range part {
			command = append(command, g.Target)
		}
		var said tail
		code, err := runHook(ctx, d.Engine, c, types.ServiceHook{Command: command, User: "0"}, &said)
		if err == nil && code != 0 {
			err = errors.New(strings.TrimSpace(said.b.String()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rebuild builds services anew and makes their containers of that.
func (d *developer) rebuild(ctx, building context.Context, services []string) {
	d.c.Log(fmt.Sprintf("Rebuilding service(s) %q after changes were detected...", services))
	var old []string
	for _, name := range services {
		if facts, err := d.find(ctx, convert.ImageName(d.p, d.p.Services[name])); err == nil {
			old = append(old, strings.TrimPrefix(facts.ID, "sha256:"))
		}
	}
	for _, name := range services {
		if err := d.Build(building, d.p, d.p.Services[name], convert.BuildOptions{}); err != nil {
			if building.Err() == nil {
				d.c.Log(fmt.Sprintf("Build failed. Error: %v", err))
			}
			return
		}
	}
	d.c.Log(fmt.Sprintf("service(s) %q successfully built", services))
	done := d.c.Busy(services)
	defer done()
	if err := d.replace(ctx, services); err != nil {
		if ctx.Err() == nil {
			d.c.Log(fmt.Sprintf("Failed to recreate services after update. Error: %v", err))
		}
		return
	}
	if d.c.Prune {
		_, _ = d.images().Prune(ctx, image.PruneRequest{IDs: old})
	}
}

func (d *developer) replace(ctx context.Context, services []string) error {
	p, err := d.p.WithSelectedServices(services, types.IgnoreDependencies)
	if err != nil {
		return err
	}
	c := UpChoices{Choices: d.c.Choices, Image: ImageChoices{NoBuild: true}, IgnoreOrphans: true, Start: true}
	c.Services, c.Recreate, c.Dependencies, c.RemoveOrphans = services, Always, Never, false
	has, err := d.Create(ctx, p, c)
	if err != nil {
		return err
	}
	return d.Start(ctx, p, has, d.NewWatch(ctx), nil)
}
