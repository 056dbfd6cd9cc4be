// SPDX-License-Identifier: Apache-2.0

package buildcmd

import (
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/build"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/docker"
	"coracle/pkg/dockerfile"
)

// Prune is the command prune: remove build cache.
func Prune(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "Remove build cache",
		Flags: []cli.Flag{
			flags.Bool("all", flags.Short("a"), "Remove all unused build cache, not just dangling ones"),
			flags.Text("builder", nil, "Override the configured builder instance: default"),
			flags.List("filter", nil, "Provide filter values (e.g. \"until=24h\")"),
			flags.Bool("force", flags.Short("f"), "Do not prompt for confirmation"),
			flags.Text("keep-storage", []string{"reserved-space"}, "Amount of disk space to keep for cache"),
		},
		Action: command.Takes(e, 0, 0, func(e *command.Env, c *cli.Context) error {
			if err := checkBuilder(e, c.String("builder")); err != nil {
				return err
			}
			choose, err := docker.ChooseCache(c.StringSlice("filter"))
			if err != nil {
				return err
			}
			var keep int64
			if v := c.String("keep-storage"); v != "" {
				keep, _ = units.RAMInBytes(v) // checked by its kind
			}
			warning := "WARNING! This will remove all dangling build cache."
			if c.Bool("all") {
				warning = "WARNING! This will remove all build cache."
			}
			if ok, err := command.Agreed(e, c, warning); !ok || err != nil {
				return err
			}
			ctx, stop := command.UntilSignal(c.Context)
			defer stop()
			d, err := e.Open()
			if err != nil {
				return err
			}
			freed, err := dockerfile.PruneChosen(ctx, d, choose, keep)
			if err != nil {
				return command.Ended(ctx, err)
			}
			_, err = fmt.Fprintf(e.Stdout, "Total:\t%s\n", command.Size(freed))
			return err
		}),
	}
}

// Cache is `builder du`, which is buildx's.
func Cache(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "du", Usage: "Disk usage",
		Flags: []cli.Flag{
			flags.Text("builder", nil, "Override the configured builder instance: default"),
			flags.Text("format", nil, "Format the output"), flags.Bool("verbose", nil, "Shows a more verbose output"),
		},
		Action: command.Takes(e, 0, 0, func(e *command.Env, c *cli.Context) error {
			if err := checkBuilder(e, c.String("builder")); err != nil {
				return err
			}
			d, err := e.Open()
			if err != nil {
				return err
			}
			list, err := dockerfile.CacheUse(c.Context, d)
			if err != nil {
				return err
			}
			return printBuildCache(e, c.String("format"), list)
		}),
	}
}

func printBuildCache(e *command.Env, format string, list []dockerfile.CacheRecord) error {
	if format != "" && format != "table" {
		return command.PrintList(e, formatter.BuildCache(), format, CacheRows(docker.CacheRecords(list)))
	}
	w := tabwriter.NewWriter(e.Stdout, 1, 8, 1, '\t', 0)
	fmt.Fprintln(w, "ID\tRECLAIMABLE\tSIZE\tLAST ACCESSED")
	var shared, total int64
	for _, r := range list {
		name := r.ID[:min(len(r.ID), 25)]
		if r.Shared {
			name += "*"
			shared += r.Size
		}
		total += r.Size
		fmt.Fprintf(w, "%s\t%t\t%s\t%s\n", name, !r.Shared, command.Size(r.Size), formatter.Ago(r.Used, time.Now()))
	}
	if shared > 0 {
		fmt.Fprintf(w, "Shared:\t%s\nPrivate:\t%s\n", command.Size(shared), command.Size(total-shared))
	}
	fmt.Fprintf(w, "Reclaimable:\t%s\nTotal:\t%s\n", command.Size(total-shared), command.Size(total))
	return w.Flush()
}

// CacheRows are the rows of a list of records of the build cache.
func CacheRows(list []build.CacheRecord) []*formatter.BuildCacheContext {
	rows, now := []*formatter.BuildCacheContext{}, time.Now()
	for _, r := range list {
		rows = append(rows, &formatter.BuildCacheContext{
			ID: r.ID[:min(len(r.ID), 12)], CacheType: r.Type, Size: command.Size(r.Size), CreatedSince: formatter.Ago(r.CreatedAt, now), LastUsedSince: formatter.Ago(*r.LastUsedAt, now),
			CreatedAt: r.CreatedAt.Local().String(), LastUsedAt: r.LastUsedAt.Local().String(), UsageCount: strconv.Itoa(r.UsageCount), Shared: strconv.FormatBool(r.Shared), InUse: strconv.FormatBool(r.InUse),
		})
	}
	return rows
}
