// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
	"coracle/pkg/events"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

// pruneFilters are the filters of a prune of things that have labels and an age.
// Such a command takes no arguments.
func pruneFilters(e *env, c *cli.Context) (filters, error) {
	if err := needArgs(e, c, commandPath(c), 0, 0); err != nil {
		return nil, err
	}
	f, err := parseFilters(c.StringSlice("filter"), "label", "label!", "until")
	if err != nil {
		return nil, err
	}
	return f, f.checkPrune()
}

func pruneContainersCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "Remove all stopped containers",
		Flags: []cli.Flag{
			flag("force", short("f"), "Do not prompt for confirmation"),
			values("filter", nil, "Provide filter values (e.g. \"until=<timestamp>\")"),
		},
		Action: func(c *cli.Context) error {
			f, err := pruneFilters(e, c)
			if err != nil {
				return err
			}
			if ok, err := agreed(e, c, "WARNING! This will remove all stopped containers."); !ok || err != nil {
				return err
			}
			return pruneAll(e, c, f, pruneContainers)
		},
	}
}

// pruned is what a prune has removed: the lines that tell, below their
// heading, and the space, in bytes.
type pruned struct {
	heading string
	lines   []string
	freed   int64
}

// show prints what was removed.
func (p pruned) show(w io.Writer) {
	if len(p.lines) > 0 {
		fmt.Fprintf(w, "%s\n%s\n\n", p.heading, strings.Join(p.lines, "\n"))
	}
}

// pruneAll does one prune and says what it did, and how much it freed.
func pruneAll(e *env, c *cli.Context, f filters, prune func(*env, *cli.Context, filters) (pruned, error)) error {
	p, err := prune(e, c, f)
	p.show(e.stdout)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "Total reclaimed space: %s\n", size(p.freed))
	return nil
}

// pruneEvent writes down that a kind of thing was pruned.
func pruneEvent(e *env, kind string, freed int64) {
	_ = events.Append(e.dirs.Root, events.New(kind, "prune", "", map[string]string{"reclaimed": strconv.FormatInt(freed, 10)}))
}

func pruneContainers(e *env, c *cli.Context, f filters) (pruned, error) {
	p := pruned{heading: "Deleted Containers:"}
	cs, err := e.containers()
	if err != nil {
		return p, err
	}
	list, bad := cs.List()
	if bad != nil {
		tellError(e, bad)
	}
	var stopped []*container.Container
	for _, ctr := range list {
		if ok, err := f.matchesPrune(ctr.Labels, ctr.Created); err != nil {
			return p, err
		} else if ok && !ctr.State.IsRunning() {
			stopped = append(stopped, ctr)
		}
	}
	sizes, err := ownSizes(e, stopped)
	if err != nil {
		return p, err
	}
	for _, ctr := range stopped {
		// Docker keeps the volumes: there is volume prune for them.
		if err := removeContainer(c, cs, ctr, false, false); err != nil {
			return p, err
		}
		p.freed += sizes[ctr.ID]
		p.lines = append(p.lines, ctr.ID)
	}
	pruneEvent(e, events.Container, p.freed)
	return p, sweepTrash(e, cs)
}

func pruneImagesCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "Remove unused images",
		Flags: []cli.Flag{flag("all", short("a"), "Remove all unused images, not just dangling ones"), flag("force", short("f"), "Do not prompt for confirmation"),
			values("filter", nil, "Provide filter values (e.g. \"until=<timestamp>\")")},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 0, 0); err != nil {
				return err
			}
			f, err := parseFilters(c.StringSlice("filter"), "dangling", "label", "label!", "until")
			if err != nil {
				return err
			}
			if err := f.checkPrune(); err != nil {
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
				return pruneAll(e, c, f, func(e *env, c *cli.Context, f filters) (pruned, error) { return pruneImages(e, c, st, f) })
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
func everyImage(c *cli.Context, f filters) (bool, error) {
	dangling, err := f.boolean("dangling")
	return c.Bool("all") || dangling != nil && !*dangling, err
}

func pruneImages(e *env, c *cli.Context, st *overlay.Store, f filters) (pruned, error) {
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
		if ok, err := f.matchesPrune(img.Labels, img.Created); err != nil || !ok {
			continue // checkPrune has seen the errors
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
