// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/buildcmd"
	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/docker"
	"coracle/pkg/host"
)

func dfCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "df", Usage: "Show docker disk usage",
		Flags: []cli.Flag{
			flags.Text("format", nil, "Format output: table, json, or a Go template"),
			flags.Bool("verbose", flags.Short("v"), "Show detailed information on space usage"),
		},
		Action: command.Takes(e, 0, 0, func(e *command.Env, c *cli.Context) error {
			u, err := diskUsage(c.Context, e)
			if err != nil {
				return err
			}
			if c.Bool("verbose") {
				return printUseOfEach(e, u, c.String("format"))
			}
			l := formatter.DiskUsage()
			return command.PrintList(e, l, l.Format(c.String("format"), false), usageRows(u))
		}),
	}
}

// diskUsage looks at everything. A damaged container is told of and left out.
func diskUsage(ctx context.Context, e *command.Env) (docker.DiskUsage, error) {
	d, err := e.Open()
	if err != nil {
		return docker.DiskUsage{}, err
	}
	used, bad, err := host.Used(ctx, d)
	if bad != nil {
		command.Tell(e, bad)
	}
	return used, err
}

// usageRows are the lines of df.
func usageRows(u docker.DiskUsage) []*formatter.DiskUsageContext {
	line := func(kind string, total, active, all, free int64) *formatter.DiskUsageContext {
		freed := units.HumanSize(float64(free))
		if all > 0 && kind != "Build Cache" {
			freed += fmt.Sprintf(" (%d%%)", free*100/all)
		}
		return &formatter.DiskUsageContext{
			Type: kind, TotalCount: strconv.FormatInt(total, 10), Active: strconv.FormatInt(active, 10), Size: units.HumanSize(float64(all)), Reclaimable: freed,
		}
	}
	i, c, v, b := u.ImageUsage, u.ContainerUsage, u.VolumeUsage, u.BuildCacheUsage
	return []*formatter.DiskUsageContext{
		line("Images", i.TotalCount, i.ActiveCount, i.TotalSize, i.Reclaimable), line("Containers", c.TotalCount, c.ActiveCount, c.TotalSize, c.Reclaimable),
		line("Local Volumes", v.TotalCount, v.ActiveCount, v.TotalSize, v.Reclaimable), line("Build Cache", b.TotalCount, b.ActiveCount, b.TotalSize, b.Reclaimable),
	}
}

// usedThings are the rows of df -v, by kind.
type usedThings struct {
	Images     []*formatter.ImageContext
	Containers []*formatter.ContainerContext
	Volumes    []*formatter.VolumeContext
	BuildCache []*formatter.BuildCacheContext
}

func useOfEach(u docker.DiskUsage, now time.Time) usedThings {
	all := usedThings{[]*formatter.ImageContext{}, []*formatter.ContainerContext{}, []*formatter.VolumeContext{}, buildcmd.CacheRows(u.BuildCacheUsage.Items)}
	for _, s := range u.ImageUsage.Items {
		all.Images = append(all.Images, formatter.ImageRows(s, false, true, now)[0])
	}
	for _, s := range u.Containers {
		all.Containers = append(all.Containers, formatter.Container(s, true, now))
	}
	for _, v := range u.VolumeUsage.Items {
		all.Volumes = append(all.Volumes, formatter.VolumeRow(&v))
	}
	return all
}

func printUseOfEach(e *command.Env, u docker.DiskUsage, format string) error {
	all := useOfEach(u, time.Now())
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
	fmt.Fprintf(e.Stdout, "\nBuild cache usage: %s\n\n", units.HumanSize(float64(u.BuildCacheUsage.TotalSize)))
	l = formatter.BuildCache()
	return command.PrintList(e, l, l.Format("", false), all.BuildCache)
}
