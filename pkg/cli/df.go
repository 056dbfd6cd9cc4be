// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"coracle/pkg/cli/buildcmd"

	"coracle/pkg/cli/command"

	"coracle/pkg/cli/flags"

	"github.com/docker/go-units"
	api "github.com/moby/moby/api/types/volume"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/formatter"
	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/dockerfile/cache"
	"coracle/pkg/image"
	"coracle/pkg/overlay"
	"coracle/pkg/volume"
)

func dfCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "df", Usage: "Show docker disk usage",
		Flags: []cli.Flag{
			flags.Text("format", nil, "Format output: table, json, or a Go template"),
			flags.Bool("verbose", flags.Short("v"), "Show detailed information on space usage"),
		},
		Action: func(c *cli.Context) error {
			if err := command.NeedArgs(e, c, 0, 0); err != nil {
				return err
			}
			return e.Inside(func(st *overlay.Store) error {
				u, err := measure(c.Context, e, st)
				if err != nil {
					return err
				}
				if c.Bool("verbose") {
					return printUseOfEach(e, u, c.String("format"))
				}
				l := formatter.DiskUsage()
				return command.PrintList(e, l, l.Format(c.String("format"), false), u.rows())
			})
		},
	}
}

// diskUse is what there is on the disk, with the size of each.
type diskUse struct {
	images     []imageUse
	layers     int64 // of all images, each counted once
	containers []*container.Container
	own        map[string]int64 // their read-write layers, by ID
	volumes    []volumeUse
	cache      []cache.Record
}

type imageUse struct {
	overlay.Image
	shared     int64 // bytes of layers that another image has, too
	containers int
}

type volumeUse struct {
	volume.Volume
	size  int64
	links int // containers that name it
}

// measure looks at everything, inside the user namespace: files of other ids
// can be read there. A damaged thing is told of and left out.
func measure(ctx context.Context, e *command.Env, st *overlay.Store) (diskUse, error) {
	var u diskUse
	cs, err := e.Containers()
	if err != nil {
		return u, err
	}
	var bad error
	if u.containers, bad = cs.List(); bad != nil {
		command.Tell(e, bad)
	}
	if u.own, err = cs.Sizes(ctx, u.containers); err != nil {
		return u, err
	}
	if err := measureImages(ctx, st, &u); err != nil {
		return u, err
	}
	if err := measureVolumes(ctx, e, &u); err != nil {
		return u, err
	}
	u.cache, err = cache.Use(st)
	return u, err
}

func measureVolumes(ctx context.Context, e *command.Env, u *diskUse) error {
	vs, err := command.Volumes(e)
	if err != nil {
		return err
	}
	list, err := vs.List()
	if err != nil {
		return err
	}
	users, err := vs.Users()
	if err != nil {
		return err
	}
	names := make([]string, len(list))
	for i, v := range list {
		names[i] = v.Name
	}
	sizes, err := vs.Sizes(ctx, names)
	for _, v := range list {
		u.volumes = append(u.volumes, volumeUse{v, sizes[v.Name], len(users(v.Name))})
	}
	return err
}

func measureImages(ctx context.Context, st *overlay.Store, u *diskUse) error {
	use, err := image.Within(st, container.ImageUsers).Usage(ctx)
	if err != nil {
		return err
	}
	u.layers = use.Layers
	for _, img := range use.Images {
		use := imageUse{Image: img.Image, shared: img.Shared}
		for _, c := range u.containers {
			if c.UsesImage(img.ID) {
				use.containers++
			}
		}
		u.images = append(u.images, use)
	}
	return nil
}

// rows are the lines of df: of every kind how many, how many of them in use,
// how large, and what a prune would free.
func (u diskUse) rows() []*formatter.DiskUsageContext {
	line := func(kind string, total, active int, all, free int64) *formatter.DiskUsageContext {
		freed := units.HumanSize(float64(free))
		if all > 0 && kind != "Build Cache" {
			freed += fmt.Sprintf(" (%d%%)", free*100/all)
		}
		return &formatter.DiskUsageContext{Type: kind, TotalCount: strconv.Itoa(total), Active: strconv.Itoa(active), Size: units.HumanSize(float64(all)), Reclaimable: freed}
	}
	active := 0
	for _, img := range u.images {
		if img.containers > 0 {
			active++
		}
	}
	var rows []*formatter.DiskUsageContext
	free := u.layers
	if active > 0 { // what is shared stays as long as one of them does
		free = 0
		for _, img := range u.images {
			if img.containers == 0 {
				free += img.Size - img.shared
			}
		}
	}
	rows = append(rows, line("Images", len(u.images), active, u.layers, free))
	active, free = 0, 0
	var all int64
	for _, c := range u.containers {
		n := u.own[c.ID]
		if all += n; c.State.IsRunning() {
			active++
		} else {
			free += n
		}
	}
	rows = append(rows, line("Containers", len(u.containers), active, all, free))
	active, all, free = 0, 0, 0
	for _, v := range u.volumes {
		if all += v.size; v.links > 0 {
			active++
		} else {
			free += v.size
		}
	}
	n := cache.Size(u.cache)
	return append(rows, line("Local Volumes", len(u.volumes), active, all, free), line("Build Cache", len(u.cache), 0, n, n))
}

// usedThings are the rows of df -v, by kind.
type usedThings struct {
	Images     []*formatter.ImageContext
	Containers []*formatter.ContainerContext
	Volumes    []*formatter.VolumeContext
	BuildCache []*formatter.BuildCacheContext
}

func (u diskUse) each(vs *volume.Store) usedThings {
	now := time.Now()
	all := usedThings{[]*formatter.ImageContext{}, []*formatter.ContainerContext{}, []*formatter.VolumeContext{}, buildcmd.CacheRows(u.cache)}
	for _, img := range u.images {
		s := docker.ImageSummary(img.Image)
		s.SharedSize, s.Containers = img.shared, int64(img.containers)
		all.Images = append(all.Images, formatter.ImageRows(s, false, true, now)[0])
	}
	for _, c := range u.containers {
		s := docker.Summarize(c, docker.Places{Volume: vs.DataDir}, now)
		s.SizeRw = u.own[c.ID]
		all.Containers = append(all.Containers, formatter.Container(s, true, now))
	}
	for _, v := range u.volumes {
		answer := docker.Volume(v.Volume, vs.DataDir(v.Name))
		answer.UsageData = &api.UsageData{Size: v.size, RefCount: int64(v.links)}
		all.Volumes = append(all.Volumes, formatter.VolumeRow(answer))
	}
	return all
}

func printUseOfEach(e *command.Env, u diskUse, format string) error {
	vs, err := command.Volumes(e)
	if err != nil {
		return err
	}
	all := u.each(vs)
	if format != "" && format != formatter.TableKey {
		if strings.HasPrefix(format, formatter.TableKey) {
			return command.Errorf("df -v has several tables: give a template without \"table\"")
		}
		return command.PrintObject(e, format, all)
	}
	fmt.Fprint(e.Stdout, "Images space usage:\n\n")
	l := formatter.Images(false).Columns("{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}")
	if err := command.PrintList(e, l, l.Format("", false), all.Images); err != nil {
		return err
	}
	fmt.Fprint(e.Stdout, "\nContainers space usage:\n\n")
	l = formatter.Containers(false).Columns("{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}")
	if err := command.PrintList(e, l, l.Format("", false), all.Containers); err != nil {
		return err
	}
	fmt.Fprint(e.Stdout, "\nLocal Volumes space usage:\n\n")
	l = formatter.Volumes().Columns("{{.Name}}\t{{.Links}}\t{{.Size}}")
	if err := command.PrintList(e, l, l.Format("", false), all.Volumes); err != nil {
		return err
	}
	fmt.Fprintf(e.Stdout, "\nBuild cache usage: %s\n\n", units.HumanSize(float64(cache.Size(u.cache))))
	l = formatter.BuildCache()
	return command.PrintList(e, l, l.Format("", false), all.BuildCache)
}
