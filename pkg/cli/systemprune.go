// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/containercmd"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/imagecmd"
	"coracle/pkg/cli/networkcmd"
	"coracle/pkg/cli/volumecmd"
	"coracle/pkg/docker"
	"coracle/pkg/dockerfile"
)

func pruneSystemCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "Remove unused data",
		Flags: []cli.Flag{
			flags.Bool("all", flags.Short("a"), "Remove all unused images not just dangling ones"),
			flags.List("filter", nil, "Provide filter values (e.g. \"label=<key>=<value>\")"),
			flags.Bool("force", flags.Short("f"), "Do not prompt for confirmation"),
			flags.Bool("volumes", nil, "Prune anonymous volumes"),
		},
		Action: func(c *cli.Context) error {
			f, err := command.PruneFilters(e, c)
			if err != nil {
				return err
			}
			if c.Bool("volumes") && len(f["until"]) > 0 {
				return command.Errorf("ERROR: The \"until\" filter is not supported with \"--volumes\"")
			}
			if ok, err := command.Agreed(e, c, systemWarning(c, f)); !ok || err != nil {
				return err
			}
			var stop func()
			c.Context, stop = command.UntilSignal(c.Context)
			defer stop()
			return command.Ended(c.Context, pruneSystem(e, c, f))
		},
	}
}

// pruneCaches reports whether the build cache is among what the filters mean:
// its records have a time, but no labels.
func pruneCaches(f docker.Filters) bool { return len(f["label"]) == 0 && len(f["label!"]) == 0 }

// systemWarning says what system prune will remove.
func systemWarning(c *cli.Context, f docker.Filters) string {
	list := []string{"all stopped containers", "all networks not used by at least one container"}
	images, cache := "all dangling images", "unused build cache"
	if c.Bool("all") {
		images, cache = "all images without at least one container associated to them", "all build cache"
	}
	if c.Bool("volumes") {
		list = append(list, "all anonymous volumes not used by at least one container")
	}
	list = append(list, images)
	if pruneCaches(f) {
		list = append(list, cache)
	}
	text := "WARNING! This will remove:\n  - " + strings.Join(list, "\n  - ") + "\n"
	var by []string
	for _, k := range []string{"label", "label!", "until"} {
		for _, v := range f[k] {
			by = append(by, k+"="+v)
		}
	}
	if slices.Sort(by); len(by) > 0 {
		text += "\n  Items to be pruned will be filtered with:\n  - " + strings.Join(by, "\n  - ") + "\n"
	}
	return text
}

// pruneSystem prunes one kind after the other: what a container held may be
// free when its turn comes.
func pruneSystem(e *command.Env, c *cli.Context, f docker.Filters) error {
	images, err := command.Images(e)
	if err != nil {
		return err
	}
	type prune func(*command.Env, *cli.Context, docker.Filters) (command.Pruned, error)
	prunes := []prune{containercmd.PruneContainers, networkcmd.PruneNetworks}
	if c.Bool("volumes") {
		prunes = append(prunes, volumecmd.PruneVolumes)
	}
	prunes = append(prunes, func(e *command.Env, c *cli.Context, f docker.Filters) (command.Pruned, error) {
		return imagecmd.PruneImages(c.Context, e, c, images, f)
	})
	var freed int64
	for _, do := range prunes {
		p, err := do(e, c, f)
		p.Show(e.Stdout)
		if err != nil {
			return err
		}
		freed += p.Freed
	}
	if pruneCaches(f) {
		n, err := pruneBuildCache(e, c, f)
		if err != nil {
			return err
		}
		freed += n
	}
	_, err = fmt.Fprintf(e.Stdout, "Total reclaimed space: %s\n", command.Size(freed))
	return err
}

func pruneBuildCache(e *command.Env, c *cli.Context, f docker.Filters) (int64, error) {
	var choose func(dockerfile.CacheRecord) bool
	if len(f["until"]) > 0 {
		var err error
		if choose, err = docker.ChooseCache([]string{"until=" + f["until"][0]}); err != nil {
			return 0, err
		}
	}
	n, err := dockerfile.PruneChosen(c.Context, e.Dirs, choose, 0)
	if err == nil && n > 0 {
		fmt.Fprintf(e.Stdout, "Deleted build cache: %s\n\n", command.Size(n))
	}
	return n, err
}
