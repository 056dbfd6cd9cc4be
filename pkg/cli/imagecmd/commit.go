// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/image"
	"coracle/pkg/oci"
	"coracle/pkg/oci/spec"
)

// Commit is the command commit: create a new image from a container's changes.
func Commit(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "commit", Usage: "Create a new image from a container's changes", ArgsUsage: "CONTAINER [REPOSITORY[:TAG]]",
		Flags: []cli.Flag{
			flags.Text("author", flags.Short("a"), "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")"),
			flags.List("change", flags.Short("c"), "Apply Dockerfile instruction to the created image"),
			flags.Text("message", flags.Short("m"), "Commit message"),
			flags.Bool("no-pause", nil, "Accepted for scripts: a container is not paused"),
			&cli.BoolFlag{Name: "pause", Aliases: flags.Short("p"), Usage: "Accepted for scripts: a container is not paused", Value: true, Hidden: true},
		},
		Action: command.Takes(e, 1, 2, func(e *command.Env, c *cli.Context) error {
			if name := c.Args().Get(1); name != "" {
				if _, err := oci.ParseRef(name); err != nil {
					return err
				}
			}
			cs, ctr, err := e.Container(c.Args().First())
			if err != nil {
				return err
			}
			return command.OnImages(c.Context, e, func(ctx context.Context, s *image.Store) error { return runCommit(ctx, e, c, s, cs, ctr) })
		}),
	}
}

func runCommit(ctx context.Context, e *command.Env, c *cli.Context, s *image.Store, cs *container.Store, ctr *container.Container) error {
	if _, err := s.Details(ctx, ctr.ImageID); err != nil {
		return fmt.Errorf("the image of container %s is gone: %w", ctr.Name, err)
	}
	r := image.CommitRequest{
		From: ctr.ImageID, Upper: ctr.Dir().Upper(), Work: ctr.Dir().Work(), Stubs: mountedOn(), Name: c.Args().Get(1), Config: docker.CommitConfig(ctr),
		CreatedBy: strings.Join(ctr.Process.Args(), " "), Author: c.String("author"), Comment: c.String("message"),
	}
	if u := ctr.Safety.Userns; u.Copied {
		r.Lowers, r.Keep = ctr.Rootfs().Lowers, u.Keep
	}
	if err := applyChanges(&r.Config, c.StringSlice("change")); err != nil {
		return err
	}
	made, err := s.Commit(ctx, r)
	if err != nil {
		return err
	}
	for _, name := range made.Reserved {
		e.Warn("/%s was left out: in a layer, names that begin with .wh. stand for what is removed", name)
	}
	cs.Event(&ctr.Record, "commit", map[string]string{"comment": r.Comment, "imageID": "sha256:" + made.ID, "imageRef": r.Name})
	fmt.Fprintln(e.Stdout, "sha256:"+made.ID)
	return nil
}

// mountedOn are the paths in a layer that exist only because something of ours was
// mounted there.
func mountedOn() []string {
	var list []string
	for _, p := range spec.MountPoints() {
		list = append(list, strings.TrimPrefix(p, "/"))
	}
	return append(list, "etc") // the last: it may be empty by then
}
