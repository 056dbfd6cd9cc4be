// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"coracle/pkg/cli/flags"

	"github.com/moby/moby/api/types/image"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/formatter"
	"coracle/pkg/docker"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

func imagesCommand(e *env, name string, aliases ...string) *cli.Command {
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
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 0, 1); err != nil {
				return err
			}
			return runImages(e, c)
		},
	}
}

func runImages(e *env, c *cli.Context) error {
	ix, err := e.index()
	if err != nil {
		return err
	}
	f, err := parseFilters(c.StringSlice("filter"), "dangling", "label", "label!", "before", "since", "reference", "until")
	if err != nil {
		return err
	}
	if arg := c.Args().First(); arg != "" {
		f["reference"] = append(f["reference"], arg)
	}
	images, err := filterImages(ix, f)
	if err != nil {
		return err
	}
	if c.Bool("tree") {
		return imageTree(e, c, images, f)
	}
	var shown []image.Summary
	for _, img := range images {
		if img.Damaged != "" {
			fmt.Fprintln(e.stderr, "WARNING: "+(&overlay.DamagedError{ID: img.ID, Reason: img.Damaged}).Error())
		}
		if s := docker.ImageSummary(img); keepNames(&s, f) || dangling(img) && (c.Bool("all") || len(f["dangling"]) > 0) && len(f["reference"]) == 0 {
			shown = append(shown, s)
		}
	}
	if len(shown) == 0 && c.Args().First() == "ls" {
		fmt.Fprintf(e.stderr, "No images found matching \"ls\": did you mean \"%s image ls\"?\n", e.program)
	}
	digests := c.Bool("digests")
	list := formatter.Images(digests)
	format := listFormat(e, c, list, "imagesFormat")
	rows, now := []*formatter.ImageContext{}, time.Now()
	for _, s := range shown {
		all := formatter.ImageRows(s, digests || strings.Contains(format, ".Digest"), !c.Bool("no-trunc"), now)
		if format == list.Format("", true) { // an image with two names is one image
			all = all[:1]
		}
		rows = append(rows, all...)
	}
	return printList(e, list, format, rows)
}

func dangling(img overlay.Image) bool { return len(img.Names) == 0 && len(img.RepoDigests) == 0 }

// keepNames leaves the names that the filter for references is about, and
// reports whether there are any.
func keepNames(s *image.Summary, f filters) bool {
	matches := func(repo, tag string) bool {
		return f.any("reference", func(p string) bool { return matchReference(p, repo, tag) })
	}
	s.RepoTags = slices.DeleteFunc(s.RepoTags, func(name string) bool { return !matches(oci.SplitName(name)) })
	s.RepoDigests = slices.DeleteFunc(s.RepoDigests, func(name string) bool {
		repo, _ := oci.SplitName(name)
		return !matches(repo, "<none>") && !f.any("reference", func(p string) bool { return matchDigest(p, name) }) && !slices.ContainsFunc(s.RepoTags, func(tag string) bool { r, _ := oci.SplitName(tag); return r == repo })
	})
	return len(s.RepoTags)+len(s.RepoDigests) > 0
}

func filterImages(ix *overlay.Index, f filters) ([]overlay.Image, error) {
	untagged, err := f.boolean("dangling")
	if err != nil {
		return nil, err
	}
	if err := f.checkPrune(); err != nil {
		return nil, err
	}
	keep := slices.Clone(ix.Images)
	for key, older := range map[string]bool{"before": true, "since": false} {
		for _, arg := range f[key] {
			other, _, err := oci.Lookup(ix, arg)
			if err != nil {
				return nil, err
			}
			keep = slices.DeleteFunc(keep, func(img overlay.Image) bool {
				return older && !img.Created.Before(other.Created) || !older && !img.Created.After(other.Created)
			})
		}
	}
	return slices.DeleteFunc(keep, func(img overlay.Image) bool {
		ok, _ := f.matchesPrune(img.Labels, img.Created)
		switch {
		case !ok:
			return true
		case untagged == nil:
			return false
		case *untagged:
			return len(img.Names) > 0 // it may have a digest
		}
		return dangling(img)
	}), nil
}

func hasRepository(names []string, repo string) bool {
	return slices.ContainsFunc(names, func(n string) bool { r, _ := oci.SplitName(n); return r == repo })
}

// matchReference compares a pattern with a repository, or with both parts.
func matchReference(pattern, repo, tag string) bool {
	for _, name := range []string{repo, repo + ":" + tag} {
		if ok, err := path.Match(pattern, name); err == nil && ok {
			return true
		}
	}
	if ref, err := oci.ParseRef(pattern); err == nil && strings.Contains(path.Base(pattern), ":") {
		return ref.Familiar() == repo+":"+tag
	}
	return false
}

// matchDigest compares a pattern with a digest in a repository.
func matchDigest(pattern, name string) bool {
	if ok, err := path.Match(pattern, oci.Familiar(name)); err == nil && ok {
		return true
	}
	ref, err := oci.ParseRef(pattern)
	return err == nil && ref.Digest() != "" && ref.Familiar() == oci.Familiar(name)
}
