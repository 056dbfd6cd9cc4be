// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

func pruneContainersCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "Remove all stopped containers",
		Flags: []cli.Flag{
			flag("force", short("f"), "Do not prompt for confirmation"),
			values("filter", nil, "Provide filter values (e.g. \"until=<timestamp>\")"),
		},
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 0, 0); err != nil {
				return err
			}
			f, err := parseFilters(c.StringSlice("filter"), "label", "label!", "until")
			if err != nil {
				return err
			}
			if err := f.checkPrune(); err != nil {
				return err
			}
			if !c.Bool("force") && !e.confirm("WARNING! This will remove all stopped containers.") {
				return nil
			}
			return e.pruneContainers(c, f)
		},
	}
}

func (e *env) pruneContainers(c *cli.Context, f filters) error {
	cs, err := e.containers()
	if err != nil {
		return err
	}
	list, bad := cs.List()
	if bad != nil {
		e.say(bad)
	}
	var stopped []*container.Container
	for _, ctr := range list {
		if ok, err := f.matchesPrune(ctr.Labels, ctr.Created); err != nil {
			return err
		} else if ok && !ctr.State.IsRunning() {
			stopped = append(stopped, ctr)
		}
	}
	sizes, err := e.ownSizes(stopped)
	if err != nil {
		return err
	}
	var freed int64
	for i, ctr := range stopped {
		// Docker keeps the volumes: there is volume prune for them.
		if err := removeContainer(c, cs, ctr, false, false); err != nil {
			return err
		}
		freed += sizes[ctr.ID]
		if i == 0 {
			fmt.Fprintln(e.stdout, "Deleted Containers:")
		}
		fmt.Fprintln(e.stdout, ctr.ID)
	}
	if len(stopped) > 0 {
		fmt.Fprintln(e.stdout)
	}
	fmt.Fprintf(e.stdout, "Total reclaimed space: %s\n", size(freed))
	return e.sweepTrash(cs)
}

func pruneImagesCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "Remove unused images",
		Flags: []cli.Flag{flag("all", short("a"), "Remove all unused images, not just dangling ones"), flag("force", short("f"), "Do not prompt for confirmation"),
			values("filter", nil, "Provide filter values (e.g. \"until=<timestamp>\")")},
		Action: func(c *cli.Context) error {
			f, err := parseFilters(c.StringSlice("filter"), "dangling", "label", "label!", "until")
			if err != nil {
				return err
			}
			if err := f.checkPrune(); err != nil {
				return err
			}
			warning := "WARNING! This will remove all dangling images."
			if c.Bool("all") {
				warning = "WARNING! This will remove all images without at least one container associated to them."
			}
			if !c.Bool("force") && !e.confirm(warning) {
				return nil
			}
			e.args = append(slices.DeleteFunc(slices.Clone(e.args), func(a string) bool { return a == "-f" || a == "--force" }), "--force")
			return e.inside(func(st *overlay.Store) error { return e.pruneImages(c, st, f) })
		},
	}
}

func (e *env) pruneImages(c *cli.Context, st *overlay.Store, f filters) error {
	ix, err := e.index()
	if err != nil {
		return err
	}
	var lines []string
	var freed int64
	for _, img := range ix.Images {
		if len(img.Names) > 0 && !c.Bool("all") && !slices.Contains(f["dangling"], "false") || e.imageConflict(img.ID, img) != nil {
			continue
		}
		if ok, err := f.matchesPrune(img.Labels, img.Created); err != nil || !ok {
			continue // checkPrune has seen the errors
		}
		sizes := layerSizes(st, img.ID)
		layers, err := st.DeleteImage(c.Context, img.ID, func() error { return e.imageConflict(img.ID, img) })
		if err != nil {
			return err
		}
		for _, n := range img.Names {
			lines = append(lines, "untagged: "+oci.Familiar(n))
		}
		lines = append(lines, "deleted: sha256:"+img.ID)
		for _, l := range layers {
			freed += sizes[l]
		}
	}
	if err := st.Sweep(); err != nil {
		return err
	}
	if len(lines) > 0 {
		fmt.Fprintf(e.stdout, "Deleted Images:\n%s\n\n", strings.Join(lines, "\n"))
	}
	fmt.Fprintf(e.stdout, "Total reclaimed space: %s\n", size(freed))
	return nil
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
