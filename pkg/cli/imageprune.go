// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"slices"

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"

	"coracle/pkg/docker"
	"coracle/pkg/events"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

func pruneImagesCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "Remove unused images",
		Flags: []cli.Flag{flags.Bool("all", flags.Short("a"), "Remove all unused images, not just dangling ones"), flags.Bool("force", flags.Short("f"), "Do not prompt for confirmation"),
			flags.List("filter", nil, "Provide filter values (e.g. \"until=<timestamp>\")")},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 0, 0); err != nil {
				return err
			}
			f, err := docker.PruneFilters(c.StringSlice("filter"), "dangling")
			if err != nil {
				return err
			}
			every, err := everyImage(c, f)
			if err != nil {
				return err
			}
			warning := "WARNING! This will remove all dangling images."
			if every {
				warning = "WARNING! This will remove all images without at least one container associated to them."
			}
			if ok, err := agreed(e, c, warning); !ok || err != nil {
				return err
			}
			return insideForced(e, func(st *overlay.Store) error {
				return pruneAll(e, c, f, func(e *env, c *cli.Context, f docker.Filters) (pruned, error) { return pruneImages(e, c, st, f) })
			})
		},
	}
}

// insideForced is inside for a command that has been agreed to: it does not ask
// again.
func insideForced(e *env, f func(*overlay.Store) error) error {
	e.args = append(slices.DeleteFunc(slices.Clone(e.args), func(a string) bool { return a == "-f" || a == "--force" }), "--force")
	return e.inside(f)
}

// everyImage reports whether images with names are pruned, too.
func everyImage(c *cli.Context, f docker.Filters) (bool, error) {
	dangling, err := f.Bool("dangling")
	return c.Bool("all") || dangling != nil && !*dangling, err
}

func pruneImages(e *env, c *cli.Context, st *overlay.Store, f docker.Filters) (pruned, error) {
	p := pruned{heading: "Deleted Images:"}
	ix, err := e.index()
	if err != nil {
		return p, err
	}
	every, err := everyImage(c, f)
	if err != nil {
		return p, err
	}
	var failed error
	for _, img := range ix.Images {
		if len(img.Names) > 0 && !every || imageConflict(e, img.ID, img) != nil {
			continue
		}
		if !f.MatchPrune(img.Labels, img.Created) {
			continue
		}
		sizes := layerSizes(st, img.ID)
		layers, err := st.DeleteImage(c.Context, img.ID, func() error { return imageConflict(e, img.ID, img) })
		if err != nil {
			failed = exit(1) // the others need not stay for it
			tellError(e, err)
			continue
		}
		for _, n := range img.Names {
			p.lines = append(p.lines, "untagged: "+oci.Familiar(n))
			event(e, events.Image, "untag", "sha256:"+img.ID, oci.Familiar(n))
		}
		p.lines = append(p.lines, "deleted: sha256:"+img.ID)
		event(e, events.Image, "delete", "sha256:"+img.ID, "sha256:"+img.ID)
		for _, l := range layers {
			p.freed += sizes[l]
		}
	}
	pruneEvent(e, events.Image, p.freed)
	return p, errors.Join(st.Sweep(), failed)
}

// layerSizes are the sizes of an image's layers, of which some are shared.
func layerSizes(st *overlay.Store, id string) map[overlay.LayerID]int64 {
	sizes := map[overlay.LayerID]int64{}
	d, err := overlay.LoadImage(st.Dirs(), id)
	if err != nil {
		return sizes
	}
	for _, l := range d.Layers {
		if n, err := st.TarSize(l); err == nil {
			sizes[l] = n
		}
	}
	return sizes
}
