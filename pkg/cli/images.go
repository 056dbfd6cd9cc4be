// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/image"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/formatter"
	"coracle/pkg/docker"
	"coracle/pkg/events"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

func imagesCommand(e *env, name string, aliases ...string) *cli.Command {
	return &cli.Command{
		Name: name, Aliases: aliases, Usage: "List images", ArgsUsage: "[REPOSITORY[:TAG]]",
		Flags: []cli.Flag{
			flag("all", short("a"), "Show all images (default hides dangling images)"),
			flag("digests", nil, "Show digests"),
			values("filter", short("f"), "Filter output based on conditions provided"),
			text("format", nil, "Format output: table, json, or a Go template"),
			flag("no-trunc", nil, "Don't truncate output"),
			flag("quiet", short("q"), "Only show image IDs"),
			flag("tree", nil, "List multi-platform images as a tree (EXPERIMENTAL)"),
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

func tagCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "tag", Usage: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE", ArgsUsage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 2, 2); err != nil {
				return err
			}
			ref, err := oci.ParseRef(c.Args().Get(1))
			if err != nil {
				return cliErrorf("error parsing reference: %q is not a valid repository/tag: %v", c.Args().Get(1), err)
			}
			if ref.Digest() != "" {
				return errors.New("refusing to create a tag with a digest reference")
			}
			img, _, err := e.image(c.Args().First())
			if err != nil {
				return err
			}
			return e.inside(func(st *overlay.Store) error {
				if err := st.Tag(c.Context, img.ID, ref.Name()); err != nil {
					return err
				}
				event(e, events.Image, "tag", "sha256:"+img.ID, ref.Familiar())
				return nil
			})
		},
	}
}

func rmiCommand(e *env, name string, aliases ...string) *cli.Command {
	return &cli.Command{
		Name: name, Aliases: aliases, Usage: "Remove one or more images", ArgsUsage: "IMAGE [IMAGE...]",
		Flags: []cli.Flag{flag("force", short("f"), "Force removal of the image"), flag("no-prune", nil, "Do not delete untagged parents"),
			values("platform", nil, "Remove only the given platform variant: an image here has one")},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, -1); err != nil {
				return err
			}
			return e.inside(func(st *overlay.Store) error {
				failed := false
				for _, a := range c.Args().Slice() {
					if err := removeImage(c.Context, e, st, a, c.StringSlice("platform"), c.Bool("force")); err != nil {
						// As in Docker, what is not there needs no force to be gone.
						var missing *oci.NotFoundError
						failed = failed || !c.Bool("force") || !errors.As(err, &missing)
						tellError(e, err)
					}
				}
				if failed {
					return exit(1)
				}
				return nil
			})
		},
	}
}

// removeImage takes one name away, or the whole image when it was the last,
// or when it was asked for by ID.
func removeImage(ctx context.Context, e *env, st *overlay.Store, arg string, platforms []string, force bool) error {
	img, name, err := e.image(arg)
	if err != nil {
		return err
	}
	if err := checkPlatforms(arg, platforms, img); err != nil {
		return err
	}
	lost, last := references(img, name)
	if name != "" && !last {
		return untag(ctx, e, st, img.ID, lost)
	}
	if name == "" && !force && moreThanOneRepository(img) {
		return fmt.Errorf("conflict: unable to delete %s (must be forced) - image is referenced in multiple repositories", img.ID[:12])
	}
	running, stopped, err := imageUsers(e, img.ID)
	if err != nil {
		return err
	}
	if running == "" && stopped != "" && force && name != "" {
		// Docker keeps the image for the stopped container, without a name.
		return untag(ctx, e, st, img.ID, lost)
	}
	layers, err := st.DeleteImage(ctx, img.ID, func() error { return imageConflict(e, arg, img) })
	if err != nil {
		return err
	}
	for _, n := range img.Names {
		untagged(e, img.ID, n)
	}
	for _, n := range img.RepoDigests {
		fmt.Fprintln(e.stdout, "Untagged: "+oci.Familiar(n))
	}
	fmt.Fprintln(e.stdout, "Deleted: sha256:"+img.ID)
	event(e, events.Image, "delete", "sha256:"+img.ID, "sha256:"+img.ID)
	for _, l := range layers {
		fmt.Fprintln(e.stdout, "Deleted: sha256:"+string(l))
	}
	return nil
}

// references are what an image loses with a name: with the last tag of a
// repository go its digests there. last reports whether nothing remains.
func references(img overlay.Image, name string) (lost []string, last bool) {
	names := slices.DeleteFunc(slices.Clone(img.Names), func(n string) bool { return n == name })
	lost = []string{name}
	repo, _ := oci.SplitName(name)
	tagged := slices.Contains(img.Names, name)
	for _, d := range img.RepoDigests {
		if r, _ := oci.SplitName(d); d != name && tagged && r == repo && !hasRepository(names, repo) {
			lost = append(lost, d)
		}
	}
	return lost, len(lost) >= len(img.Names)+len(img.RepoDigests)
}

// untag takes names and digests from an image that stays.
func untag(ctx context.Context, e *env, st *overlay.Store, id string, names []string) error {
	for _, n := range names {
		if err := st.Untag(ctx, id, n); err != nil {
			return err
		}
		untagged(e, id, n)
	}
	return nil
}

// untagged tells of a name that an image has lost.
func untagged(e *env, id, name string) {
	fmt.Fprintln(e.stdout, "Untagged: "+oci.Familiar(name))
	event(e, events.Image, "untag", "sha256:"+id, oci.Familiar(name))
}

func moreThanOneRepository(img overlay.Image) bool {
	first := ""
	for _, n := range img.Names {
		repo, _ := oci.SplitName(n)
		if first != "" && repo != first {
			return true
		}
		first = repo
	}
	return false
}

// imageConflict says which container keeps an image from being deleted.
func imageConflict(e *env, arg string, img overlay.Image) error {
	running, stopped, err := imageUsers(e, img.ID)
	if err != nil {
		return err
	}
	shown := arg
	if ref, err := oci.ParseRef(arg); err == nil && slices.Contains(img.Names, ref.Name()) {
		shown = ref.Familiar()
	}
	switch {
	case running != "":
		return fmt.Errorf("conflict: unable to delete %s (cannot be forced) - image is being used by running container %s", shown, running)
	case stopped != "":
		return fmt.Errorf("conflict: unable to delete %s (must be forced) - image is being used by stopped container %s", shown, stopped)
	}
	return nil
}

// imageUsers returns a running and a stopped container of the image.
func imageUsers(e *env, id string) (running, stopped string, err error) {
	cs, err := e.containers()
	if err != nil {
		return "", "", err
	}
	list, err := cs.Readable()
	if err != nil {
		return "", "", err
	}
	for _, c := range list {
		if !usesImage(c, id) {
			continue
		}
		if c.State.IsRunning() {
			running = c.ID[:12]
		} else {
			stopped = c.ID[:12]
		}
	}
	return running, stopped, nil
}

func historyCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "history", Usage: "Show the history of an image", ArgsUsage: "IMAGE",
		Flags: []cli.Flag{
			text("format", nil, "Format output"), &cli.BoolFlag{Name: "human", Aliases: short("H"), Value: true, Usage: "Print sizes and dates in human readable format"},
			flag("no-trunc", nil, "Don't truncate output"), flag("quiet", short("q"), "Only show image IDs"),
			text("platform", nil, "Show history for the given platform: an image here has one"),
		},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, 1); err != nil {
				return err
			}
			return runHistory(e, c)
		},
	}
}

func runHistory(e *env, c *cli.Context) error {
	img, _, err := e.image(c.Args().First())
	if err != nil {
		return err
	}
	if err := checkPlatforms(c.Args().First(), givenPlatform(c), img); err != nil {
		return err
	}
	d, err := e.details(img.ID)
	if err != nil {
		return err
	}
	items, err := docker.History(d)
	if err != nil {
		return err
	}
	human, now := c.Bool("human"), time.Now()
	list := formatter.History(human)
	rows := make([]*formatter.HistoryContext, len(items))
	for i, h := range items {
		rows[i] = formatter.HistoryRow(h, human, !c.Bool("no-trunc"), now)
	}
	return printList(e, list, listFormat(e, c, list, ""), rows)
}

func reindex(e *env) error {
	return e.inside(func(st *overlay.Store) error { return st.Reindex(context.Background()) })
}
