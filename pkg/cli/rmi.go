// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"

	"coracle/pkg/events"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

func rmiCommand(e *env, name string, aliases ...string) *cli.Command {
	return &cli.Command{
		Name: name, Aliases: aliases, Usage: "Remove one or more images", ArgsUsage: "IMAGE [IMAGE...]",
		Flags: []cli.Flag{flags.Bool("force", flags.Short("f"), "Force removal of the image"), flags.Bool("no-prune", nil, "Do not delete untagged parents"),
			flags.List("platform", nil, "Remove only the given platform variant: an image here has one")},
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
