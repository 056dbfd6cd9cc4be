// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"coracle/pkg/cli/flags"
	"coracle/pkg/oci/spec"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/dockerfile"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

func commitCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "commit", Usage: "Create a new image from a container's changes", ArgsUsage: "CONTAINER [REPOSITORY[:TAG]]",
		Flags: []cli.Flag{
			flags.Text("author", flags.Short("a"), "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")"),
			flags.List("change", flags.Short("c"), "Apply Dockerfile instruction to the created image"),
			flags.Text("message", flags.Short("m"), "Commit message"),
			flags.Bool("no-pause", nil, "Accepted for scripts: a container is not paused"),
			&cli.BoolFlag{Name: "pause", Aliases: flags.Short("p"), Usage: "Accepted for scripts: a container is not paused", Value: true, Hidden: true},
		},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, 2); err != nil {
				return err
			}
			var names []string
			if name := c.Args().Get(1); name != "" {
				ref, err := oci.ParseRef(name)
				if err != nil {
					return err
				}
				names = []string{ref.Name()}
			}
			cs, ctr, err := e.container(c.Args().First())
			if err != nil {
				return err
			}
			return e.inside(func(st *overlay.Store) error { return runCommit(e, c, st, cs, ctr, names) })
		},
	}
}

func runCommit(e *env, c *cli.Context, st *overlay.Store, cs *container.Store, ctr *container.Container, names []string) error {
	det, err := e.details(ctr.ImageID)
	if err != nil {
		return fmt.Errorf("the image of container %s is gone: %w", ctr.Name, err)
	}
	img, err := committed(c, ctr, det) // before anything is written that it could be wrong for
	if err != nil {
		return err
	}
	lowers := slices.Clone(det.LayerDirs)
	slices.Reverse(lowers)
	staged, err := st.StageUpper(c.Context, filepath.Join(ctr.Dir(), "upper"), lowers, mountedOn())
	if err != nil {
		return err
	}
	for _, name := range staged.Reserved {
		e.warn("/%s was left out: in a layer, names that begin with .wh. stand for what is removed", name)
	}
	img.RootFS.DiffIDs = append(img.RootFS.DiffIDs, staged.DiffID())
	top, err := st.Commit(staged, det.Layers[len(det.Layers)-1], nil)
	if err != nil {
		return err
	}
	config, err := json.Marshal(img)
	if err != nil {
		return err
	}
	made, err := st.CreateImage(c.Context, overlay.NewImage{Config: config, Layers: append(slices.Clip(det.Layers), top), Names: names})
	if err != nil {
		return err
	}
	cs.Event(&ctr.Record, "commit", map[string]string{"comment": c.String("message"), "imageID": "sha256:" + made.ID, "imageRef": c.Args().Get(1)})
	tagged(e, made.ID, names)
	fmt.Fprintln(e.stdout, "sha256:"+made.ID)
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

// committed is what is said of the image that is made of ctr, but for its
// topmost layer.
func committed(c *cli.Context, ctr *container.Container, from overlay.Details) (*dockerfile.Image, error) {
	var img dockerfile.Image
	if err := json.Unmarshal(from.Config, &img); err != nil {
		return nil, fmt.Errorf("decode configuration: %w", err)
	}
	now := time.Now().UTC()
	img.Created, img.Author = &now, c.String("author")
	img.History = append(img.History, ocispec.History{
		Created: &now, CreatedBy: strings.Join(ctr.Process.Args(), " "), Author: c.String("author"), Comment: c.String("message"),
	})
	img.Config = docker.CommitConfig(ctr)
	return &img, dockerfile.Configure(&img, c.StringSlice("change"))
}
