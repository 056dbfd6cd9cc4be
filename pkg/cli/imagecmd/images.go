// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/docker"
	"coracle/pkg/overlay"
)

// Images is the command that lets a user list images, by each of the names that it
// has in the table of commands.
func Images(e *command.Env, name string, aliases ...string) *cli.Command {
	return &cli.Command{
		Name: name, Aliases: aliases, Usage: "List images", ArgsUsage: "[REPOSITORY[:TAG]]",
		Flags: []cli.Flag{
			flags.Bool("all", flags.Short("a"), "Show all images (default hides dangling images)"),
			flags.Bool("digests", nil, "Show digests"),
			flags.List("filter", flags.Short("f"), "Filter output based on conditions provided"),
			flags.Text("format", nil, "Format output: table, json, or a Go template"),
			flags.Bool("no-trunc", nil, "Don't truncate output"),
			flags.Bool("quiet", flags.Short("q"), "Only show image IDs"),
			flags.Bool("tree", nil, "List multi-platform images as a tree (EXPERIMENTAL)"),
		},
		Action: command.Takes(e, 0, 1, runImages),
	}
}

func runImages(e *command.Env, c *cli.Context) error {
	ix, err := e.Index()
	if err != nil {
		return err
	}
	f, err := docker.ImageFilters(c.StringSlice("filter"), c.Args().First())
	if err != nil {
		return err
	}
	images, err := f.Images(ix)
	if err != nil {
		return err
	}
	if c.Bool("tree") {
		return imageTree(e, c, images, f)
	}
	for _, img := range images {
		if img.Damaged != "" {
			fmt.Fprintln(e.Stderr, "WARNING: "+(&overlay.DamagedError{ID: img.ID, Reason: img.Damaged}).Error())
		}
	}
	shown, err := f.ImageList(ix, c.Bool("all"))
	if err != nil {
		return err
	}
	if len(shown) == 0 && c.Args().First() == "ls" {
		fmt.Fprintf(e.Stderr, "No images found matching \"ls\": did you mean \"%s image ls\"?\n", e.Program)
	}
	digests := c.Bool("digests")
	list := formatter.Images(digests)
	format := command.ListFormat(e, c, list, "imagesFormat")
	rows, now := []*formatter.ImageContext{}, time.Now()
	for _, s := range shown {
		all := formatter.ImageRows(s, digests || strings.Contains(format, ".Digest"), !c.Bool("no-trunc"), now)
		if format == list.Format("", true) { // an image with two names is one image
			all = all[:1]
		}
		rows = append(rows, all...)
	}
	return command.PrintList(e, list, format, rows)
}
