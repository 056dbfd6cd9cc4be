// SPDX-License-Identifier: Apache-2.0

package look

import (
	"context"
	"slices"
	"strings"
	"time"

	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/image"
	"coracle/pkg/network"
	"coracle/pkg/state"
)

// Query is what a list is to have.
type Query struct {
	Filters docker.Filters
	All     bool // those that do not run, too
	Last    int  // the last so many that were made, of all; 0: all of them
	Size    bool
}

// List is the list of containers, newest first. Damaged ones are in it, as far as
// something is known of them, and bad is about those.
func List(ctx context.Context, d state.Dirs, q Query) (rows []docker.Summary, bad, err error) {
	cs := container.NewStore(d)
	all, err := cs.ListAll()
	if err != nil {
		return nil, nil, err
	}
	cs.Reclaim(all.Orphans)
	list, err := choose(ctx, d, append(all.Containers, all.Dead...), q)
	if err != nil {
		return nil, all.Bad, err
	}
	if q.Last > 0 {
		list = list[:min(q.Last, len(list))]
	}
	var sizes map[string]size
	if q.Size {
		if sizes, err = sizesOf(ctx, d, list); err != nil {
			return nil, all.Bad, err
		}
	}
	rows = make([]docker.Summary, len(list))
	now, at := time.Now(), docker.Places{Volume: container.Volumes(d).DataDir, Network: networkIDs(d)}
	for i, c := range list {
		rows[i] = docker.Summarize(c, at, now)
		rows[i].SizeRw, rows[i].SizeRootFs = sizes[c.ID].own, sizes[c.ID].all
	}
	return rows, all.Bad, nil
}

// choose applies the filters.
func choose(ctx context.Context, d state.Dirs, list []*container.Container, q Query) ([]*container.Container, error) {
	is := docker.ContainerFacts{Network: func(v string) []string { return networksOf(d, v) }}
	var err error
	if is.Images, err = ancestors(ctx, d, q.Filters["ancestor"]); err != nil {
		return nil, err
	}
	is.Span, err = q.Filters.Span(func(arg string) (time.Time, error) {
		c, err := container.NewStore(d).Lookup(arg)
		if err != nil {
			return time.Time{}, err
		}
		return c.Created, nil
	})
	all := q.All || q.Last > 0 || len(q.Filters["status"]) > 0
	return slices.DeleteFunc(list, func(c *container.Container) bool {
		return !all && !c.State.IsRunning() || !q.Filters.MatchContainer(c, is)
	}), err
}

// networksOf are the names of networks that have v for their ID, or begin with it.
func networksOf(d state.Dirs, v string) (names []string) {
	for _, name := range network.Predefined() {
		if v != "" && strings.HasPrefix(docker.PredefinedID(name), v) {
			names = append(names, name)
		}
	}
	if w, err := network.NewStore(d).Lookup(v); err == nil {
		names = append(names, w.Name)
	}
	return names
}

// ancestors are the IDs of images; one that is not there has no containers.
func ancestors(ctx context.Context, d state.Dirs, args []string) (map[string]bool, error) {
	ids := map[string]bool{}
	for _, a := range args {
		img, _, err := image.NewStore(d, container.ImageUsers).Find(ctx, a)
		if err != nil && docker.KindOf(err) != docker.NotFound {
			return nil, err
		}
		if err == nil {
			ids[img.ID] = true
		}
	}
	return ids, nil
}
